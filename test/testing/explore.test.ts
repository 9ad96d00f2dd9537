import { deepEqual, equal } from 'node:assert/strict'
import { describe, expect, test, vi } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { explore, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill } from './billing.ts'

const ORDERS = ['a', 'b', 'c', 'd', 'e', 'f']

/** Sends orders to two queues one after the other, and waits until they are billed. */
async function shop(
  mq: TestMQ,
  listener: (message: MessageView) => unknown,
  options: { concurrency?: number } = {},
): Promise<void> {
  await mq.admin.createTopic({ topic: 'orders', queues: 2 })
  await bill(mq, listener, options)
  const producer = await mq.createProducer({ group: 'shop' })
  for (const body of ORDERS) await producer.send({ topic: 'orders', body })
  await mq.settled({ horizon: '1h' })
}

async function failureOf(exploring: Promise<void>): Promise<MQError> {
  const error: unknown = await exploring.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (error instanceof MQError) return error
  throw new Error(`It did not fail as it should: ${error}`)
}

/** Adds up, so that a message that comes twice counts twice. */
async function notIdempotent(mq: TestMQ): Promise<void> {
  let billed = 0
  await shop(mq, () => {
    billed += 1
  })
  equal(billed, ORDERS.length)
}

/** The same with a memory of what is done. */
async function idempotent(mq: TestMQ): Promise<void> {
  const billed = new Set<string>()
  await shop(mq, ({ messageId }) => void billed.add(messageId))
  equal(billed.size, ORDERS.length)
}

/** Takes what it gets first for what was sent first, although it lies in another queue. */
async function dependentOnOrder(mq: TestMQ): Promise<void> {
  const first = new Map<string, number>()
  await shop(mq, (message) => void (first.has(message.text()) || first.set(message.text(), first.size)))
  deepEqual([...first.keys()], ORDERS)
}

async function independentOfOrder(mq: TestMQ): Promise<void> {
  const seen = new Set<string>()
  await shop(mq, (message) => void seen.add(message.text()))
  deepEqual([...seen].toSorted(), ORDERS)
}

/**
 * Knows that a message may come twice in a row, and forgets it with the next one, as if its acknowledgement had reached the
 * broker by then.
 */
async function sureOfAcknowledgement(mq: TestMQ): Promise<void> {
  const last = new Map<number, string>()
  const billed: string[] = []
  const listener = ({ queue, messageId }: MessageView) => {
    if (last.get(queue.queueId) !== messageId) billed.push(messageId)
    last.set(queue.queueId, messageId)
  }
  await shop(mq, listener, { concurrency: 1 })
  equal(billed.length, ORDERS.length)
}

describe('explore()', () => {
  test.each([
    ['is not idempotent', notIdempotent],
    ['depends on an order across queues', dependentOnOrder],
    ['takes it that an acknowledgement is never lost', sureOfAcknowledgement],
  ])('finds a listener that %s', async (_, body) => {
    const error = await failureOf(explore({ seeds: 100 }, body))
    expect(error).toEqual(mqError('EXPLORE_FAILED'))
    expect((error.cause as Error).name).toBe('AssertionError')
  })

  test.each([
    ['is idempotent', idempotent],
    ['does not depend on an order', independentOfOrder],
  ])('finds nothing in a listener that %s', async (_, body) => {
    await explore({ seeds: 100 }, body)
  })

  test('names the first seed that fails, how to replay it, and what the schedule did', async () => {
    const error = await failureOf(explore({}, notIdempotent))
    const seed = Number(
      /^Seed (\d+) fails; replay it with explore\(\{ seed: \d+ \}, \.\.\.\) or POCKETMQ_SEED=\1\.\n/.exec(
        error.message,
      )?.[1],
    )
    expect(seed).toBeGreaterThan(0)
    expect(error.message).toMatch(/What the schedule did:\n {2}2027-01-01T/)
    if (seed > 1) await explore({ seeds: seed - 1 }, notIdempotent)
    const again = await failureOf(explore({ seed }, notIdempotent))
    expect(again.message).toBe(error.message)
  })

  test('runs the seed that the environment names, and no other', async () => {
    const seeds: number[] = []
    vi.stubEnv('POCKETMQ_SEED', '17')
    try {
      await explore({ seeds: 5 }, (mq) => void seeds.push(mq.seed))
      vi.stubEnv('POCKETMQ_SEED', 'seventeen')
      await expect(explore({}, () => undefined)).rejects.toEqual(mqError('INVALID_PARAMETER', 'seventeen'))
    } finally {
      vi.unstubAllEnvs()
    }
    expect(seeds).toEqual([17])
  })

  test('gives each seed an instance of its own, and closes it however the test ends', async () => {
    const instances: TestMQ[] = []
    const exploring = explore({ seeds: 3 }, async (mq) => {
      instances.push(mq)
      expect(await mq.admin.topics()).not.toContainEqual(expect.objectContaining({ topic: 'orders' }))
      await mq.admin.createTopic({ topic: 'orders', queues: 1 })
      if (mq.seed === 3) throw new Error('third time')
    })
    await expect(exploring).rejects.toEqual(mqError('EXPLORE_FAILED', 'Seed 3 fails'))
    expect(instances.map(({ seed, state }) => [seed, state])).toEqual([
      [1, 'closed'],
      [2, 'closed'],
      [3, 'closed'],
    ])
  })

  test('closes the life that goes on after a crash', async () => {
    let last: TestMQ | undefined
    await explore({ seeds: 1 }, async (mq) => {
      last = await mq.crash()
    })
    expect(last?.state).toBe('closed')
  })

  test('reports a body that throws what is no error', async () => {
    await expect(explore({ seeds: 1 }, () => Promise.reject('nothing but a text'))).rejects.toEqual(
      mqError('EXPLORE_FAILED', 'nothing but a text'),
    )
  })

  test('gives the instances the other options', async () => {
    const startTime = Date.UTC(2030, 0, 1)
    await explore({ seeds: 2, startTime, topics: [{ topic: 'orders', queues: 3 }] }, async (mq) => {
      expect(mq.clock.now()).toBe(startTime)
      expect(await mq.admin.topicStatus('orders')).toHaveLength(3)
    })
  })

  test.each([
    [{ seeds: 0 }, 'seeds'],
    [{ seed: -1 }, 'seed'],
    [{ seed: 1, seeds: 2 }, 'leave out seeds'],
    [{ sedes: 3 }, "unknown option 'sedes'"],
    [{ schedule: 'calm' }, 'schedule'],
    [{ path: '/tmp/x' }, 'path'],
    [null, 'options'],
  ])('refuses %j', async (options, text) => {
    const body = vi.fn()
    await expect(explore(options as object, body)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
    expect(body).not.toHaveBeenCalled()
  })

  test('refuses to run nothing', async () => {
    await expect(explore({}, undefined as never)).rejects.toEqual(mqError('INVALID_PARAMETER', 'function'))
  })
})
