import { describe, expect, test } from 'vitest'
import { type ConsumeFromWhere, findStart } from '../../src/consumer/start-offset.ts'
import type { Engine } from '../../src/model/engine.ts'

/** An engine with one queue of messages stored at 100, 110, 120 and so on. */
function engineWith({ min, max, stored }: { min: number; max: number; stored?: number }): Engine {
  return {
    queryConsumerOffset: async () => stored,
    minOffset: async () => min,
    maxOffset: async () => max,
    searchOffset: async (_queue: unknown, timestamp: number) =>
      Math.min(max, Math.max(min, Math.ceil((timestamp - 100) / 10))),
  } as unknown as Engine
}

function start(engine: Engine, consumeFromWhere: ConsumeFromWhere, topic = 'orders') {
  const queue = { topic, brokerName: 'a', queueId: 0 }
  return findStart(engine, 'billing', queue, { consumeFromWhere, consumeTimestamp: 175 })
}

const wishes: ConsumeFromWhere[] = ['LAST_OFFSET', 'FIRST_OFFSET', 'TIMESTAMP']

describe('Where a group starts', () => {
  test.each(wishes)('is its stored offset, whatever it wishes: %s', async (wish) => {
    const engine = engineWith({ min: 3, max: 10, stored: 6 })
    expect(await start(engine, wish)).toEqual({ offset: 6, isStored: true })
  })

  test.each(wishes)('is the beginning of a young queue, whatever it wishes: %s', async (wish) => {
    expect(await start(engineWith({ min: 0, max: 10 }), wish)).toEqual({ offset: 0, isStored: false })
    expect(await start(engineWith({ min: 0, max: 0 }), wish)).toEqual({ offset: 0, isStored: false })
  })

  test.each<[ConsumeFromWhere, number]>([
    ['LAST_OFFSET', 10],
    ['FIRST_OFFSET', 3],
    ['TIMESTAMP', 8],
  ])('is where it wishes on a queue that has lost its oldest messages: %s', async (wish, offset) => {
    expect(await start(engineWith({ min: 3, max: 10 }), wish)).toEqual({ offset, isStored: false })
  })

  test.each(wishes)('is the oldest message of its retry topic, lest a retry be lost: %s', async (wish) => {
    expect((await start(engineWith({ min: 3, max: 10 }), wish, '%RETRY%billing')).offset).toBe(3)
  })
})

describe('Where a broadcasting member starts', () => {
  const memberStart = (engine: Engine, consumeFromWhere: ConsumeFromWhere, isNewQueue = false) => {
    const queue = { topic: 'orders', brokerName: 'a', queueId: 0 }
    const wish = { consumeFromWhere, consumeTimestamp: 175, offsetOwner: 'printer' }
    return findStart(engine, 'billing', queue, wish, isNewQueue)
  }

  test.each(wishes)('is its stored offset, whatever it wishes: %s', async (wish) => {
    const engine = engineWith({ min: 0, max: 10, stored: 6 })
    expect(await memberStart(engine, wish, true)).toEqual({ offset: 6, isStored: true })
  })

  test('is asked for under its own name', async () => {
    const asked: unknown[] = []
    const engine = engineWith({ min: 0, max: 10 })
    engine.queryConsumerOffset = async (...question) => {
      asked.push(question[2])
      return undefined
    }
    await memberStart(engine, 'LAST_OFFSET')
    await start(engine, 'LAST_OFFSET')
    expect(asked).toEqual(['printer', undefined])
  })

  test.each<[ConsumeFromWhere, number]>([
    ['LAST_OFFSET', 10],
    ['FIRST_OFFSET', 0],
    ['TIMESTAMP', 8],
  ])('is where it wishes, on a young queue too: %s', async (wish, offset) => {
    expect(await memberStart(engineWith({ min: 0, max: 10 }), wish)).toEqual({ offset, isStored: false })
  })

  test.each(wishes)('is the beginning of a queue that came into being under its eyes: %s', async (wish) => {
    expect((await memberStart(engineWith({ min: 0, max: 10 }), wish, true)).offset).toBe(0)
  })
})
