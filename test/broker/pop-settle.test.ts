import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { mqError } from '../helpers/expect-error.ts'
import { INVISIBLE_MS, letters, onlyOne, openPopShop, type PopShop } from './pop-set-up.ts'

const STALE = mqError('INVALID_RECEIPT_HANDLE')

/** Counts the commits that are made from now on. */
function countCommits(shop: PopShop): { count: number } {
  const commits = { count: 0 }
  const { store } = shop.test
  const commit = store.commit.bind(store)
  store.commit = (change) => {
    commits.count += 1
    return commit(change)
  }
  return commits
}

/** Lets the next commit fail. */
function failNextCommit({ test: { store } }: PopShop): void {
  const { commit } = store
  store.commit = async () => {
    store.commit = commit
    throw new MQError('WRITE_FAILED', 'full')
  }
}

describe('An acknowledged message', () => {
  test('is gone for its group, also when its time is over', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await shop.ack(onlyOne(await shop.receive()))
    expect(await shop.progress()).toEqual({ lag: 0, invisibleCount: 0, pendingRetryCount: 0 })
    await shop.clock.advance(2 * INVISIBLE_MS)
    expect(await shop.bodies()).toEqual([])
    expect(shop.alarms).toEqual([])
  })

  test('can be acknowledged again, as in RocketMQ, until its time is over', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first, second] = await shop.receive()
    await shop.ack(first!, first!)
    await shop.ack(first!)
    await shop.ack(second!)
    await shop.ack(first!)
    await shop.clock.advance(INVISIBLE_MS)
    await expect(shop.ack(first!)).rejects.toEqual(STALE)
  })

  test('shares its commit with those of the same turn, and its alarm with those of its run', async () => {
    const shop = await openPopShop()
    await shop.send(letters(32))
    const popped = await shop.receive()
    expect(shop.alarms).toHaveLength(1)
    const commits = countCommits(shop)
    await shop.ack(...popped)
    expect(commits.count).toBe(1)
    expect(shop.alarms).toEqual([])
  })

  test('leaves the others of its run invisible', async () => {
    const shop = await openPopShop()
    await shop.send(letters(5))
    const popped = await shop.receive()
    await shop.ack(popped[1]!, popped[3]!)
    expect(await shop.progress()).toMatchObject({ invisibleCount: 3 })
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['m0', 'm2', 'm4'])
  })

  test('is invisible as before when the commit fails, and can be acknowledged again', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first, second] = await shop.receive()
    failNextCommit(shop)
    await expect(shop.ack(first!)).rejects.toEqual(mqError('WRITE_FAILED'))
    expect(await shop.progress()).toMatchObject({ invisibleCount: 2 })
    await shop.ack(first!)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['b'])
    await expect(shop.ack(second!)).rejects.toEqual(STALE)
  })

  test('waits for the commit under way, which may fail without it', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first, second] = await shop.receive()
    failNextCommit(shop)
    const acking = expect(shop.ack(first!)).rejects.toEqual(mqError('WRITE_FAILED'))
    await Promise.resolve()
    await Promise.resolve()
    await Promise.all([acking, shop.ack(second!)])
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['a'])
  })
})

describe('A receipt handle', () => {
  test('is refused when its time is over, and has no effect', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    await shop.clock.advance(INVISIBLE_MS)
    await expect(shop.ack(first)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', 'time is over'))
    await expect(shop.change(first, 1000)).rejects.toEqual(STALE)
    await expect(shop.nack(first)).rejects.toEqual(STALE)
    const second = onlyOne(await shop.receive())
    expect(second.deliveryAttempt).toBe(2)
    await expect(shop.ack(first)).rejects.toEqual(STALE)
    expect(await shop.progress()).toMatchObject({ invisibleCount: 1 })
    await shop.ack(second)
    expect(await shop.progress()).toMatchObject({ invisibleCount: 0 })
  })

  test('of an expired delivery stays refused when the clock is set back', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first, second] = await shop.receive()
    await shop.ack(second!)
    await shop.clock.advance(INVISIBLE_MS)
    shop.clock.jump(-INVISIBLE_MS)
    await expect(shop.ack(first!)).rejects.toEqual(STALE)
    await shop.ack(second!)
    expect(await shop.bodies()).toEqual(['a'])
  })

  test('of another group is refused', async () => {
    const shop = await openPopShop()
    await shop.test.join({ group: 'shipping' })
    await shop.send(['a'])
    const { receiptHandle } = onlyOne(await shop.receive())
    await expect(shop.pop.ackMessage('shipping', receiptHandle)).rejects.toEqual(
      mqError('INVALID_RECEIPT_HANDLE', 'another group'),
    )
    expect(await shop.progress()).toMatchObject({ invisibleCount: 1 })
  })

  test('that was replaced is refused, also when its message is acknowledged since', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    const second = await shop.change(first, 10_000)
    await expect(shop.ack(first)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', 'replaced'))
    await expect(shop.change(first, 1000)).rejects.toEqual(STALE)
    await shop.pop.ackMessage('billing', second.receiptHandle)
    await expect(shop.ack(first)).rejects.toEqual(STALE)
    await shop.pop.ackMessage('billing', second.receiptHandle)
  })

  test.each([
    '',
    'x',
    '1.2.3.4.5',
    '1.2.3.4.5.6.7',
    '1.2.3.4.5.',
    '1.2.3.4.5.-1',
    '1.2.3.4.5.A',
    '1.2.3.4.5.zzzzzzzzzzz',
    '.....',
    '1.1ekg.zzz.myc88chc.0.1',
  ])("'%s' is refused", async (handle) => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await shop.receive()
    await expect(shop.pop.ackMessage('billing', handle)).rejects.toEqual(STALE)
    expect(await shop.progress()).toMatchObject({ invisibleCount: 1 })
  })

  test('that was forged for a neighbour in place of its own message is refused or without effect', async () => {
    const shop = await openPopShop()
    await shop.send(letters(3))
    const [first] = await shop.receive({ maxCount: 1 })
    const forged = first!.receiptHandle.replace(/\.0\.1$/, '.2.1')
    await shop.pop.ackMessage('billing', forged).catch(() => undefined)
    expect(await shop.progress()).toMatchObject({ invisibleCount: 1, lag: 2 })
  })

  test('from before a restart goes on working; what became of one without a delivery is not known then', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b', 'c'])
    const [first, second, third] = await shop.receive()
    await shop.ack(first!)
    const renewed = await shop.change(second!, INVISIBLE_MS)
    const restarted = await shop.restart()
    await expect(restarted.ack(first!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', 'not known'))
    await expect(restarted.ack(second!)).rejects.toEqual(STALE)
    await restarted.ack(third!)
    await restarted.pop.ackMessage('billing', renewed.receiptHandle)
    expect(await restarted.progress()).toMatchObject({ invisibleCount: 0 })
  })

  test('is refused for a group that is gone', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    await shop.test.broker.deleteGroup('billing')
    await expect(shop.ack(first)).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST'))
    await shop.setGroup({})
    await expect(shop.ack(first)).rejects.toEqual(STALE)
    expect(shop.alarms).toEqual([])
  })

  test('is refused when the topic is gone, also when there is one of that name again', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b', 'c'])
    const [first, second, third] = await shop.receive()
    await shop.ack(first!)
    await shop.test.broker.deleteTopic('orders')
    const gone = mqError('TOPIC_NOT_EXIST', 'topic of the message was deleted')
    await expect(shop.ack(first!)).rejects.toEqual(gone)
    await expect(shop.ack(second!)).rejects.toEqual(gone)
    await expect(shop.change(second!, 1000)).rejects.toEqual(gone)
    await expect(shop.nack(second!)).rejects.toEqual(gone)
    await shop.test.createTopic('orders')
    await shop.send(['new'])
    await expect(shop.ack(third!)).rejects.toEqual(gone)
    expect(await shop.bodies()).toEqual(['new'])
    await shop.clock.advance(INVISIBLE_MS)
    await expect(shop.ack(third!)).rejects.toEqual(STALE)
  })

  test('is refused when the broker is closed', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    await shop.test.broker.close()
    await expect(shop.ack(first)).rejects.toEqual(mqError('CLOSED'))
  })
})

test('Many handles at once are settled each for itself', async () => {
  const shop = await openPopShop()
  await shop.send(letters(3))
  const [first, second, third] = await shop.receive()
  await shop.change(second!, INVISIBLE_MS)
  const handles = [first!.receiptHandle, second!.receiptHandle, 'x', third!.receiptHandle]
  const refused = await shop.pop.ackMessages('billing', handles)
  expect(refused).toEqual([
    { receiptHandle: second!.receiptHandle, error: STALE },
    { receiptHandle: 'x', error: STALE },
  ])
  expect(await shop.progress()).toMatchObject({ invisibleCount: 1 })
  expect(await shop.pop.ackMessages('billing', [])).toEqual([])
})

describe('Another invisible duration', () => {
  test('begins now, and may be longer or shorter', async () => {
    const shop = await openPopShop()
    await shop.send(['longer', 'shorter'])
    const [longer, shorter] = await shop.receive()
    await shop.clock.advance(1000)
    const now = shop.clock.now()
    expect(await shop.change(longer!, 60_000)).toMatchObject({ nextVisibleTimestamp: now + 60_000 })
    expect(await shop.change(shorter!, 2000)).toMatchObject({ nextVisibleTimestamp: now + 2000 })
    await shop.clock.advance(1999)
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(1)
    expect(await shop.bodies({ invisibleDurationMs: 3_600_000 })).toEqual(['shorter'])
    await shop.clock.advance(57_999)
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(1)
    expect(await shop.bodies()).toEqual(['longer'])
  })

  test('of 0 makes the message visible at once, as another attempt', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await shop.change(onlyOne(await shop.receive()), 0)
    await shop.clock.advance(0)
    expect(onlyOne(await shop.receive())).toMatchObject({ deliveryAttempt: 2 })
  })

  test('does not count as an attempt', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    let receipt: { readonly receiptHandle: string } = onlyOne(await shop.receive())
    for (let i = 0; i < 5; i++) receipt = await shop.change(receipt, INVISIBLE_MS)
    await shop.clock.advance(INVISIBLE_MS)
    expect(onlyOne(await shop.receive())).toMatchObject({ deliveryAttempt: 2 })
  })

  test('leaves the others of its run as they are', async () => {
    const shop = await openPopShop()
    await shop.send(letters(3))
    const popped = await shop.receive()
    await shop.change(popped[1]!, 2 * INVISIBLE_MS)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies({ invisibleDurationMs: 3_600_000 })).toEqual(['m0', 'm2'])
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['m1'])
  })

  test('and an acknowledgement at a time: the first one wins', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first, second] = await shop.receive()
    const [acked, changed] = await Promise.allSettled([shop.ack(first!), shop.change(first!, 1000)])
    expect([acked.status, changed.status]).toEqual(['fulfilled', 'rejected'])
    const [changedFirst, ackedLater] = await Promise.allSettled([
      shop.change(second!, 1000),
      shop.ack(second!),
    ])
    expect([changedFirst.status, ackedLater.status]).toEqual(['fulfilled', 'rejected'])
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['b'])
  })

  test('of an acknowledged message is refused', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    await shop.ack(first)
    await expect(shop.change(first, 1000)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', 'acknowledged'))
  })

  test('that cannot be stored leaves the message as it was', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    failNextCommit(shop)
    await expect(shop.change(first, 1000)).rejects.toEqual(mqError('WRITE_FAILED'))
    await shop.ack(first)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual([])
  })

  test('past what the store can express is refused', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const first = onlyOne(await shop.receive())
    await expect(shop.change(first, 2 ** 48)).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await shop.ack(first)
  })
})

describe('A message that was given back', () => {
  const MINUTE = 60_000
  const TABLE = [
    10_000,
    30_000,
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 60, 120].map((minutes) => minutes * MINUTE),
  ]

  test('comes again after 10 s, 30 s, 1 min ... 2 h, 16 times, and is then a dead letter at once', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    for (const [index, delayMs] of TABLE.entries()) {
      const popped = onlyOne(await shop.receive())
      expect(popped.deliveryAttempt).toBe(index + 1)
      expect(await shop.nack(popped)).toMatchObject({ nextVisibleTimestamp: shop.clock.now() + delayMs })
      await shop.clock.advance(delayMs - 1)
      expect(await shop.bodies()).toEqual([])
      await shop.clock.advance(1)
    }
    const last = onlyOne(await shop.receive())
    expect(last.deliveryAttempt).toBe(17)
    await shop.nack(last)
    await shop.clock.advance(0)
    expect(await shop.bodies()).toEqual([])
    const letter = await shop.test.view('%DLQ%billing')
    expect([letter.properties.RETRY_TOPIC, letter.reconsumeTimes]).toEqual(['orders', 17])
    expect(await shop.progress()).toEqual({ lag: 0, invisibleCount: 0, pendingRetryCount: 0 })
  })

  test('waits as messageDelayLevel says', async () => {
    const shop = await openPopShop({ broker: { messageDelayLevel: '1ms 2ms 3ms 4ms' } })
    await shop.send(['a'])
    for (const delayMs of [3, 4, 4]) {
      const now = shop.clock.now()
      expect(await shop.nack(onlyOne(await shop.receive()))).toMatchObject({
        nextVisibleTimestamp: now + delayMs,
      })
      await shop.clock.advance(delayMs)
    }
  })

  test.each([
    [{ type: 'CUSTOMIZED', nextMs: [100, 500] } as const, [100, 500, 500]],
    [{ type: 'EXPONENTIAL', initialMs: 1000, maxMs: 5000, multiplier: 2 } as const, [1000, 2000, 4000, 5000]],
  ])('waits as the policy of its group says: %j', async (groupRetryPolicy, delays) => {
    const shop = await openPopShop({ group: { groupRetryPolicy } })
    await shop.send(['a'])
    for (const delayMs of delays) {
      const now = shop.clock.now()
      expect(await shop.nack(onlyOne(await shop.receive()))).toMatchObject({
        nextVisibleTimestamp: now + delayMs,
      })
      await shop.clock.advance(delayMs)
    }
  })
})
