import { describe, expect, test } from 'vitest'
import type { PoppedMessage } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import { mqError } from '../helpers/expect-error.ts'
import {
  bodiesOf,
  INVISIBLE_MS,
  letters,
  onlyOne,
  openPopShop,
  type PopShop,
  RETRY_TOPIC,
} from './pop-set-up.ts'
import { watchPromise } from './set-up.ts'

const STALE = mqError('INVALID_RECEIPT_HANDLE')

/** A FIFO group, and so many messages in its only queue. */
async function openFifo(count: number, group: object = {}): Promise<PopShop> {
  const shop = await openPopShop({ group: { consumeMessageOrderly: true, ...group } })
  if (count > 0) await shop.send(letters(count))
  return shop
}

function attemptsOf(popped: readonly PoppedMessage[]): [string, number][] {
  return popped.map(({ message, deliveryAttempt }) => [message.text(), deliveryAttempt])
}

describe('A FIFO group', () => {
  test('gets nothing of a queue of which it has something that is not acknowledged', async () => {
    const shop = await openFifo(5)
    const first = await shop.receive({ maxCount: 2 })
    expect(bodiesOf(first)).toEqual(['m0', 'm1'])
    expect(await shop.bodies()).toEqual([])
    await shop.ack(first[0]!)
    expect(await shop.bodies()).toEqual([])
    await shop.ack(first[1]!)
    expect(await shop.bodies()).toEqual(['m2', 'm3', 'm4'])
  })

  test('gets other queues meanwhile', async () => {
    const shop = await openPopShop({ queueNums: 2, group: { consumeMessageOrderly: true } })
    await shop.send(['a', 'b'], { queueId: 0 })
    await shop.send(['c'], { queueId: 1 })
    expect(await shop.bodies({ maxCount: 1 })).toEqual(['a'])
    expect(await shop.bodies()).toEqual(['c'])
    expect(await shop.bodies()).toEqual([])
  })

  test('gets what was not acknowledged again, where it is and in order, with one more attempt each', async () => {
    const shop = await openFifo(4)
    await shop.receive({ maxCount: 2 })
    await shop.clock.advance(INVISIBLE_MS - 1)
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(1)
    const again = await shop.receive()
    expect(attemptsOf(again)).toEqual([
      ['m0', 2],
      ['m1', 2],
      ['m2', 1],
      ['m3', 1],
    ])
    for (const { message } of again) expect(message.queue.topic).toBe('orders')
    expect(shop.test.store.catalog.topic(RETRY_TOPIC)).toBeUndefined()
  })

  test('gets nothing twice that it acknowledged, also when others before it come again', async () => {
    const shop = await openFifo(5)
    const first = await shop.receive({ maxCount: 4 })
    await shop.ack(first[1]!, first[3]!)
    expect(await shop.offset()).toBe(0)
    await shop.clock.advance(INVISIBLE_MS)
    const second = await shop.receive({ maxCount: 2 })
    expect(attemptsOf(second)).toEqual([
      ['m0', 2],
      ['m2', 2],
    ])
    await shop.ack(...second)
    expect(await shop.offset()).toBe(4)
    expect(await shop.bodies()).toEqual(['m4'])
  })

  test('has its offset at the first message that is not acknowledged', async () => {
    const shop = await openFifo(3)
    const popped = await shop.receive()
    expect(await shop.offset()).toBe(0)
    expect(await shop.progress()).toMatchObject({ lag: 3, invisibleCount: 3 })
    await shop.ack(popped[1]!)
    expect(await shop.offset()).toBe(0)
    expect(await shop.progress()).toMatchObject({ lag: 3, invisibleCount: 2 })
    await shop.ack(popped[0]!)
    expect(await shop.offset()).toBe(2)
    await shop.ack(popped[2]!)
    expect(await shop.offset()).toBe(3)
    expect(await shop.progress()).toMatchObject({ lag: 0, invisibleCount: 0 })
    expect(shop.alarms).toEqual([])
  })

  test('acknowledges a batch in one commit', async () => {
    const shop = await openFifo(32)
    const popped = await shop.receive()
    const { store } = shop.test
    const commit = store.commit.bind(store)
    let count = 0
    store.commit = (change) => {
      count += 1
      return commit(change)
    }
    await shop.ack(...popped)
    expect(count).toBe(1)
    expect(await shop.offset()).toBe(32)
    expect(shop.alarms).toEqual([])
  })

  test('passes over what its filter keeps out', async () => {
    const shop = await openFifo(0)
    for (const tag of ['open', 'paid', 'open', 'paid', 'open']) await shop.send([tag], { tag })
    const popped = await shop.receive({ topics: { orders: 'paid' } })
    expect(bodiesOf(popped)).toEqual(['paid', 'paid'])
    expect(await shop.offset()).toBe(1)
    await shop.ack(...popped)
    expect(await shop.offset()).toBe(4)
    expect(await shop.bodies({ topics: { orders: 'paid' } })).toEqual([])
    expect(await shop.offset()).toBe(5)
  })

  test('never has two members in one queue, however many receive at a time', async () => {
    const shop = await openFifo(50)
    const answers = await Promise.all(Array.from({ length: 5 }, () => shop.bodies({ maxCount: 10 })))
    expect(answers.filter((bodies) => bodies.length > 0)).toEqual([letters(10)])
  })

  test('wakes who waits as soon as the queue is free', async () => {
    const shop = await openFifo(3)
    const first = await shop.receive({ maxCount: 2 })
    const waiting = shop.receive({ awaitDurationMs: 20_000 })
    const watched = watchPromise(waiting)
    await shop.clock.settle()
    await shop.ack(first[0]!)
    await shop.clock.settle()
    expect(watched.settled).toBe(false)
    await shop.ack(first[1]!)
    expect(bodiesOf(await waiting)).toEqual(['m2'])
  })

  test('wakes who waits as soon as the time of what holds the queue is over', async () => {
    const shop = await openFifo(1)
    await shop.receive()
    const waiting = shop.receive({ awaitDurationMs: 2 * INVISIBLE_MS })
    const watched = watchPromise(waiting)
    await shop.clock.advance(INVISIBLE_MS - 1)
    expect(watched.settled).toBe(false)
    await shop.clock.advance(1)
    expect(watched.settled).toBe(true)
    expect(attemptsOf(await waiting)).toEqual([['m0', 2]])
  })

  test('reads on from the disk what it cannot have from memory', async () => {
    const shop = await openFifo(5)
    const log = shop.test.log()
    const batchAt = log.batchAt.bind(log)
    log.batchAt = async (offset) => batchAt(offset)
    const popped = await shop.receive({ maxCount: 2 })
    await shop.ack(popped[1]!)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['m0', 'm2', 'm3', 'm4'])
  })

  test('takes nothing when the commit fails', async () => {
    const shop = await openFifo(2)
    const { store } = shop.test
    const { commit } = store
    store.commit = async () => {
      store.commit = commit
      throw new MQError('WRITE_FAILED', 'full')
    }
    await expect(shop.receive()).rejects.toEqual(mqError('WRITE_FAILED'))
    expect(attemptsOf(await shop.receive())).toEqual([
      ['m0', 1],
      ['m1', 1],
    ])
  })
})

describe('A message of a FIFO group', () => {
  test('is invisible for another time alone, and holds its queue as long', async () => {
    const shop = await openFifo(3)
    const popped = await shop.receive({ maxCount: 2 })
    await shop.change(popped[1]!, 2 * INVISIBLE_MS)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(INVISIBLE_MS)
    expect(attemptsOf(await shop.receive())).toEqual([
      ['m0', 2],
      ['m1', 2],
      ['m2', 1],
    ])
  })

  test('that was given back comes again after as long as the policy says, and counts its attempts', async () => {
    const shop = await openFifo(2)
    const delays = [10_000, 30_000, 60_000]
    for (const [index, delayMs] of delays.entries()) {
      const popped = onlyOne(await shop.receive({ maxCount: 1, invisibleDurationMs: 3_600_000 }))
      expect(popped.deliveryAttempt).toBe(index + 1)
      await shop.nack(popped)
      await shop.clock.advance(delayMs - 1)
      expect(await shop.bodies()).toEqual([])
      await shop.clock.advance(1)
    }
  })

  test('is a dead letter after its last attempt, and its queue goes on', async () => {
    const shop = await openFifo(2, { retryMaxTimes: 1 })
    for (const attempt of [1, 2]) {
      expect(attemptsOf(await shop.receive({ maxCount: 1 }))).toEqual([['m0', attempt]])
      await shop.clock.advance(INVISIBLE_MS)
    }
    expect(shop.test.events('dead-letter')).toMatchObject([{ topic: 'orders', reconsumeTimes: 2 }])
    expect((await shop.test.view('%DLQ%billing')).reconsumeTimes).toBe(2)
    expect(await shop.offset()).toBe(1)
    expect(attemptsOf(await shop.receive())).toEqual([['m1', 1]])
  })

  test('is a dead letter at once when it is given back after its last attempt', async () => {
    const shop = await openFifo(1, { retryMaxTimes: 0 })
    await shop.nack(onlyOne(await shop.receive()))
    await shop.clock.advance(0)
    expect(shop.test.events('dead-letter')).toHaveLength(1)
    expect(await shop.progress()).toMatchObject({ lag: 0, invisibleCount: 0 })
    expect(shop.alarms).toEqual([])
  })

  test('in the midst of others is a dead letter alone', async () => {
    const shop = await openFifo(3, { retryMaxTimes: 1 })
    await shop.receive({ maxCount: 2 })
    await shop.clock.advance(INVISIBLE_MS)
    const popped = await shop.receive()
    expect(attemptsOf(popped)).toEqual([
      ['m0', 2],
      ['m1', 2],
      ['m2', 1],
    ])
    await shop.ack(popped[0]!)
    await shop.clock.advance(INVISIBLE_MS)
    expect(shop.test.events('dead-letter')).toHaveLength(1)
    expect(attemptsOf(await shop.receive())).toEqual([['m2', 2]])
    expect(await shop.offset()).toBe(2)
  })

  test('that retention has removed is reported lost, and holds nothing', async () => {
    const shop = await openFifo(3)
    await shop.receive({ maxCount: 2 })
    shop.test.log().minOffset = 1
    await shop.clock.advance(INVISIBLE_MS)
    expect(shop.test.events('message-lost')).toMatchObject([{ reason: 'retention', fromOffset: 0 }])
    expect(attemptsOf(await shop.receive())).toEqual([
      ['m1', 2],
      ['m2', 1],
    ])
  })
})

describe('A handle of a FIFO group', () => {
  test('works once, and again for what it acknowledged', async () => {
    const shop = await openFifo(2)
    const [first, second] = await shop.receive()
    await shop.ack(second!)
    await shop.ack(second!)
    await shop.ack(first!)
    await shop.ack(first!)
    const receipt = onlyOne(await openFifo(1).then((other) => other.receive()))
    await expect(shop.change(receipt, 1000)).rejects.toEqual(STALE)
  })

  test('is refused when its time is over', async () => {
    const shop = await openFifo(1)
    const first = onlyOne(await shop.receive())
    await shop.clock.advance(INVISIBLE_MS)
    await expect(shop.ack(first)).rejects.toEqual(STALE)
    const second = onlyOne(await shop.receive())
    await expect(shop.ack(first)).rejects.toEqual(STALE)
    await shop.ack(second)
    expect(await shop.offset()).toBe(1)
  })

  test('is refused when it was replaced', async () => {
    const shop = await openFifo(1)
    const first = onlyOne(await shop.receive())
    const second = await shop.change(first, INVISIBLE_MS)
    await expect(shop.ack(first)).rejects.toEqual(STALE)
    await shop.pop.ackMessage('billing', second.receiptHandle)
    expect(await shop.offset()).toBe(1)
  })
})

describe('The same attempt', () => {
  const attempt = { attemptId: 'attempt-1' }

  test('gets the same messages again, with the same counts and new handles', async () => {
    const shop = await openFifo(4)
    const lost = await shop.receive({ maxCount: 2, ...attempt })
    const again = await shop.receive({ maxCount: 2, ...attempt })
    expect(attemptsOf(again)).toEqual([
      ['m0', 1],
      ['m1', 1],
    ])
    await expect(shop.ack(lost[0]!)).rejects.toEqual(STALE)
    await shop.ack(...again)
    expect(await shop.bodies({ maxCount: 1, ...attempt })).toEqual(['m2'])
  })

  test('gets what it has not settled of them', async () => {
    const shop = await openFifo(3)
    const popped = await shop.receive(attempt)
    await shop.ack(popped[1]!)
    expect(await shop.bodies(attempt)).toEqual(['m0', 'm2'])
  })

  test('of somebody else gets nothing', async () => {
    const shop = await openFifo(2)
    await shop.receive(attempt)
    expect(await shop.bodies({ attemptId: 'attempt-2' })).toEqual([])
    expect(await shop.bodies()).toEqual([])
  })

  test('means nothing once the messages are visible again', async () => {
    const shop = await openFifo(1)
    await shop.receive(attempt)
    await shop.clock.advance(INVISIBLE_MS)
    expect(attemptsOf(await shop.receive(attempt))).toEqual([['m0', 2]])
  })

  test('means nothing where the order does not matter', async () => {
    const shop = await openPopShop()
    await shop.send(letters(2))
    expect(await shop.bodies({ maxCount: 1, ...attempt })).toEqual(['m0'])
    expect(await shop.bodies({ maxCount: 1, ...attempt })).toEqual(['m1'])
  })
})

describe('After a restart a FIFO group', () => {
  test('is held as before, has its acknowledgements and counts on', async () => {
    const before = await openFifo(4)
    const first = await before.receive({ maxCount: 3 })
    await before.ack(first[1]!)
    const shop = await before.restart()
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(INVISIBLE_MS)
    expect(attemptsOf(await shop.receive())).toEqual([
      ['m0', 2],
      ['m2', 2],
      ['m3', 1],
    ])
  })

  test('counts on where time was over before', async () => {
    const before = await openFifo(1)
    await before.receive()
    await before.clock.advance(INVISIBLE_MS)
    const shop = await before.restart()
    expect(attemptsOf(await shop.receive())).toEqual([['m0', 2]])
  })
})

describe('Whether a group is FIFO', () => {
  test('can be changed while it has received nothing that is open', async () => {
    const shop = await openPopShop()
    await shop.send(letters(2))
    await shop.ack(...(await shop.receive({ maxCount: 1 })))
    await shop.setGroup({ consumeMessageOrderly: true })
    await shop.receive({ maxCount: 1 })
    await expect(shop.setGroup({})).rejects.toEqual(mqError('INVALID_PARAMETER', 'not acknowledged'))
    await shop.setGroup({ consumeMessageOrderly: true, retryMaxTimes: 3 })
  })

  test('cannot be changed while retries wait that only the one way receives', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await shop.receive()
    await expect(shop.setGroup({ consumeMessageOrderly: true })).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await shop.clock.advance(INVISIBLE_MS)
    await expect(shop.setGroup({ consumeMessageOrderly: true })).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await shop.ack(...(await shop.receive()))
    await shop.setGroup({ consumeMessageOrderly: true })
  })

  test('is decided by its first member, and later ones must agree or say nothing', async () => {
    const shop = await openPopShop()
    const { broker } = shop.test
    const member = {
      clientId: 'a',
      messageModel: 'clustering',
      consumeType: 'pop',
      subscriptions: new Map(),
    } as const
    await broker.registerConsumer({ ...member, group: 'fifo', consumeMessageOrderly: true })
    await broker.registerConsumer({ ...member, group: 'fifo', clientId: 'b' })
    await expect(
      broker.registerConsumer({ ...member, group: 'fifo', clientId: 'c', consumeMessageOrderly: false }),
    ).rejects.toEqual(mqError('INVALID_PARAMETER', 'consumeMessageOrderly true'))
    await expect(
      broker.registerConsumer({ ...member, group: 'billing', consumeMessageOrderly: true }),
    ).rejects.toEqual(mqError('INVALID_PARAMETER', 'consumeMessageOrderly false'))
    const fifo = (await broker.queryGroups()).find(({ group }) => group === 'fifo')
    expect(fifo).toMatchObject({ consumeMessageOrderly: true })
  })
})
