import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TopicConfig } from '../../src/model/topic.ts'
import { Signal } from '../helpers/signal.ts'
import {
  bodiesOf,
  INVISIBLE_MS,
  letters,
  onlyOne,
  openPopShop,
  type PopShop,
  RETRY_TOPIC,
} from './pop-set-up.ts'

const ordinary: TopicConfig = { topic: 'orders', readQueueNums: 4, writeQueueNums: 4, permission: 6 }
const urgent: TopicConfig = { ...ordinary, priority: true }

/** A priority topic of four queues, and the group `billing`. */
async function openPriorities(group: Parameters<typeof openPopShop>[0] = {}): Promise<PopShop> {
  const shop = await openPopShop({ queueNums: 4, ...group })
  await shop.test.broker.updateTopic(urgent)
  return shop
}

/** A message of each of these priorities; the body says it. */
async function sendEach(
  { test: { send } }: { test: Pick<PopShop['test'], 'send'> },
  ...priorities: number[]
) {
  for (const priority of priorities) await send({ body: `p${priority}`, priority }, priority)
}

async function receiveEach(shop: PopShop, count: number): Promise<string[]> {
  const bodies: string[] = []
  for (let i = 0; i < count; i++) bodies.push(...(await shop.bodies({ maxCount: 1 })))
  return bodies
}

function topicOf(shop: PopShop, topic: string): TopicConfig | undefined {
  return shop.test.store.catalog.topic(topic)?.config
}

const sender = (shop: PopShop) => ({ test: { send: shop.test.send.bind(shop.test) } })

describe('A receive from a priority topic', () => {
  test('begins with the highest queue each time', async () => {
    const shop = await openPriorities()
    for (const queueId of [0, 1, 2, 3]) await shop.send([`a${queueId}`, `b${queueId}`], { queueId })
    expect(await receiveEach(shop, 8)).toEqual(['a3', 'b3', 'a2', 'b2', 'a1', 'b1', 'a0', 'b0'])
  })

  test('fills up from the queues below', async () => {
    const shop = await openPriorities()
    for (const queueId of [2, 0, 3])
      await shop.send(
        letters(2).map((letter) => letter + queueId),
        { queueId },
      )
    expect(await shop.bodies({ maxCount: 3 })).toEqual(['m03', 'm13', 'm02'])
    expect(await shop.bodies({ maxCount: 3 })).toEqual(['m12', 'm00', 'm10'])
  })

  test('takes nothing less urgent while somebody else is in a higher queue, and then what that one left', async () => {
    const shop = await openPriorities()
    await shop.send(letters(3), { queueId: 3 })
    await shop.send(['low'], { queueId: 0 })
    const all = await Promise.all([1, 1, 1, 1, 1].map((maxCount) => shop.bodies({ maxCount })))
    expect(all).toEqual([['m0'], ['m1'], ['m2'], ['low'], []])
  })

  test('gets each message once, however many run at a time', async () => {
    const shop = await openPriorities()
    for (const queueId of [0, 1, 2, 3]) await shop.send(letters(50), { queueId })
    const all = await Promise.all(Array.from({ length: 24 }, () => shop.receive({ maxCount: 9 })))
    const places = all.flat().map(({ message }) => message.offsetMessageId)
    expect(new Set(places).size).toBe(200)
    const queueIds = all.flat().map(({ message }) => message.queue.queueId)
    expect(queueIds).toEqual(queueIds.toSorted((a, b) => b - a))
  })

  test('takes together with others exactly the most urgent there are, whatever comes in between', async () => {
    const sends = fc.record({ queueId: fc.nat({ max: 3 }), count: fc.integer({ min: 1, max: 5 }) })
    const receives = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 })
    const steps = fc.array(fc.oneof(sends, receives), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const shop = await openPriorities()
        const waiting: string[][] = [[], [], [], []]
        for (const [number, step] of all.entries()) {
          if ('queueId' in step) {
            const bodies = letters(step.count).map((letter) => `${step.queueId}-${number}-${letter}`)
            await shop.send(bodies, step)
            waiting[step.queueId]!.push(...bodies)
            continue
          }
          const received = (await Promise.all(step.map((maxCount) => shop.bodies({ maxCount })))).flat()
          const expected: string[] = []
          for (let wanted = step.reduce((sum, count) => sum + count); wanted > 0; wanted--) {
            const highest = waiting.findLast((bodies) => bodies.length > 0)
            if (highest !== undefined) expected.push(highest.shift()!)
          }
          expect(received.toSorted()).toEqual(expected.toSorted())
          if (step.length === 1) expect(received).toEqual(expected)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('waits while a higher queue is being reset, and goes on there', async () => {
    const shop = await openPriorities()
    await shop.send(letters(3), { queueId: 3 })
    await shop.send(['low'], { queueId: 0 })
    expect(await shop.bodies({ maxCount: 2 })).toEqual(['m0', 'm1'])
    const { store, broker } = shop.test
    const commit = store.commit.bind(store)
    const held = new Signal()
    store.commit = async (change) => {
      store.commit = commit
      await held.promise
      return commit(change)
    }
    const resetting = broker.resetConsumerOffset('billing', 'orders', new Map([[3, 1]]))
    await shop.clock.settle()
    const receiving = shop.bodies()
    await shop.clock.settle()
    held.resolve()
    await resetting
    expect(await receiving).toEqual(['m1', 'm2', 'low'])
  })

  test('looks at other topics while somebody is in a queue of this one', async () => {
    const shop = await openPriorities()
    await shop.test.createTopic('returns')
    await shop.send(['ordered'], { queueId: 3 })
    await shop.send(['returned'], { topic: 'returns' })
    const topics = { orders: '*', returns: '*' }
    const all = await Promise.all([1, 2].map(() => shop.bodies({ topics, maxCount: 1 })))
    expect(all.flat().toSorted()).toEqual(['ordered', 'returned'])
  })

  test('passes over what its filter keeps out', async () => {
    const shop = await openPriorities()
    await shop.send(['open'], { queueId: 3, tag: 'open' })
    await shop.send(['paid'], { queueId: 1, tag: 'paid' })
    expect(await shop.bodies({ topics: { orders: 'paid' } })).toEqual(['paid'])
  })

  test('sees no queue that consumers do not see', async () => {
    const shop = await openPriorities()
    await sendEach(sender(shop), 0, 3)
    await shop.test.broker.updateTopic({ ...urgent, readQueueNums: 2 })
    expect(await shop.bodies()).toEqual(['p0'])
    await shop.test.broker.updateTopic(urgent)
    expect(await shop.bodies()).toEqual(['p3'])
  })

  test('goes by the queues in turn again once the topic is an ordinary one', async () => {
    const shop = await openPriorities()
    for (const queueId of [0, 1, 2, 3]) await shop.send(letters(4), { queueId })
    await shop.test.broker.updateTopic(ordinary)
    const popped = [await shop.receive({ maxCount: 1 }), await shop.receive({ maxCount: 1 })]
    const queueIds = popped.map((each) => onlyOne(each).message.queue.queueId)
    expect(queueIds[1]).toBe((queueIds[0]! + 1) % 4)
  })

  test('of a FIFO group passes over queues that are held', async () => {
    const shop = await openPriorities({ group: { consumeMessageOrderly: true } })
    await shop.send(['a3', 'b3'], { queueId: 3 })
    await shop.send(['a1'], { queueId: 1 })
    const first = onlyOne(await shop.receive({ maxCount: 1 }))
    expect(first.message.text()).toBe('a3')
    expect(await shop.bodies({ maxCount: 1 })).toEqual(['a1'])
    await shop.ack(first)
    expect(await shop.bodies({ maxCount: 1 })).toEqual(['b3'])
  })
})

describe('What comes back to a priority topic', () => {
  test('has a retry topic with as many queues, and comes by its priority', async () => {
    const shop = await openPriorities()
    await sendEach(sender(shop), 1, 3, 0, 2)
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    expect(topicOf(shop, RETRY_TOPIC)).toEqual({ ...urgent, topic: RETRY_TOPIC })
    expect(await receiveEach(shop, 4)).toEqual(['p3', 'p2', 'p1', 'p0'])
    await shop.clock.advance(INVISIBLE_MS)
    const again = await shop.receive()
    expect(again.map(({ message }) => [message.text(), message.priority, message.reconsumeTimes])).toEqual([
      ['p3', 3, 2],
      ['p2', 2, 2],
      ['p1', 1, 2],
      ['p0', 0, 2],
    ])
  })

  test('and has a higher priority than there are queues goes to the last one', async () => {
    const shop = await openPriorities()
    await shop.test.send({ body: 'p9', priority: 9 }, 3)
    await shop.test.send({ body: 'none' }, 0)
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    const back = await shop.receive()
    expect(back.map(({ message }) => [message.text(), message.queue.queueId])).toEqual([
      ['p9', 3],
      ['none', 0],
    ])
  })

  test('finds a retry topic from before the topic became one, and makes it one, with all that is in it', async () => {
    const shop = await openPopShop({ queueNums: 4 })
    await shop.test.send({ body: 'early', priority: 0 }, 0)
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    expect(topicOf(shop, RETRY_TOPIC)).toMatchObject({ readQueueNums: 1 })
    await shop.test.broker.updateTopic(urgent)
    await sendEach(sender(shop), 1, 3)
    expect(await shop.bodies()).toHaveLength(3)
    await shop.clock.advance(INVISIBLE_MS)
    expect(topicOf(shop, RETRY_TOPIC)).toMatchObject({ readQueueNums: 4, priority: true })
    expect(await receiveEach(shop, 3)).toEqual(['p3', 'p1', 'early'])
  })

  test('loses nothing of a retry topic that had more queues', async () => {
    const shop = await openPopShop({ queueNums: 4, group: { retryQueueNums: 10 } })
    await shop.test.send({ body: 'early' }, 0)
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    await shop.test.broker.updateTopic(urgent)
    await sendEach(sender(shop), 3)
    expect((await shop.bodies()).toSorted()).toEqual(['early', 'p3'])
    await shop.clock.advance(INVISIBLE_MS)
    expect(topicOf(shop, RETRY_TOPIC)).toMatchObject({ readQueueNums: 10, priority: true })
    expect((await shop.bodies()).toSorted()).toEqual(['early', 'p3'])
  })

  test('stays in the order of priorities when the topic is an ordinary one again, and loses nothing', async () => {
    const shop = await openPriorities()
    await sendEach(sender(shop), 3, 0)
    await shop.receive()
    await shop.test.broker.updateTopic(ordinary)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['p3', 'p0'])
  })

  test('is as it was in another broker over the same store', async () => {
    const shop = await openPriorities()
    await sendEach(sender(shop), 0, 3)
    await shop.receive()
    const restarted = await shop.restart()
    await shop.clock.advance(INVISIBLE_MS)
    expect(bodiesOf(await restarted.receive())).toEqual(['p3', 'p0'])
  })
})
