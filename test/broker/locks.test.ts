import { describe, expect, test } from 'vitest'
import { openShop } from './set-up.ts'

describe('The lock of a queue', () => {
  test('goes to the first client of a group and not to a second', async () => {
    const { broker, ...shop } = await openLockShop()
    expect(await broker.lockQueues('billing', 'c1', [shop.queue0, shop.queue1])).toEqual([
      shop.queue0,
      shop.queue1,
    ])
    expect(await broker.lockQueues('billing', 'c2', [shop.queue0, shop.queue2])).toEqual([shop.queue2])
  })

  test('is another one for each group', async () => {
    const { broker, queue0 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    expect(await broker.lockQueues('shipping', 'c2', [queue0])).toEqual([queue0])
  })

  test('is free again when it is given back, and all are told', async () => {
    const { broker, told, queue0 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    await broker.unlockQueues('billing', 'c1', [queue0])
    expect(told).toEqual([{ type: 'queue-unlocked', group: 'billing', queue: queue0 }])
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([queue0])
  })

  test('is not given back by another client', async () => {
    const { broker, told, queue0 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    await broker.unlockQueues('billing', 'c2', [queue0])
    expect(told).toEqual([])
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([])
  })

  test('ends after 60 seconds without renewal, and all are told then', async () => {
    const { broker, clock, told, queue0 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    await clock.advance(59_999)
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([])
    expect(told).toEqual([])
    await clock.advance(1)
    expect(told).toEqual([{ type: 'queue-unlocked', group: 'billing', queue: queue0 }])
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([queue0])
  })

  test('lasts as long as it is renewed', async () => {
    const { broker, clock, queue0 } = await openLockShop()
    for (let round = 0; round < 10; round++) {
      expect(await broker.lockQueues('billing', 'c1', [queue0])).toEqual([queue0])
      await clock.advance(20_000)
    }
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([])
  })

  test('lasts as long as lockLeaseMs says', async () => {
    const { broker, clock, queue0 } = await openLockShop({ lockLeaseMs: 40_000 })
    await broker.lockQueues('billing', 'c1', [queue0])
    await clock.advance(39_999)
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([])
    await clock.advance(1)
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([queue0])
  })

  test('does not end when the clock is set forward', async () => {
    const { broker, clock, queue0 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    clock.jump(3_600_000)
    await clock.advance(1)
    expect(await broker.lockQueues('billing', 'c2', [queue0])).toEqual([])
  })

  test('ends when its client leaves the group, in the same turn', async () => {
    const { broker, told, queue0, queue1 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    await broker.lockQueues('billing', 'c2', [queue1])
    void broker.unregisterConsumer('billing', 'c1')
    expect(told).toContainEqual({ type: 'queue-unlocked', group: 'billing', queue: queue0 })
    expect(told).not.toContainEqual({ type: 'queue-unlocked', group: 'billing', queue: queue1 })
    expect(await broker.lockQueues('billing', 'c2', [queue0, queue1])).toEqual([queue0, queue1])
  })

  test('may be taken again by whoever hears that it ended, even by the client that left', async () => {
    const { broker, queue0 } = await openLockShop()
    await broker.lockQueues('billing', 'c1', [queue0])
    let heardCount = 0
    broker.watch((event) => {
      heardCount += event.type === 'queue-unlocked' ? 1 : 0
      if (heardCount < 10) void broker.lockQueues('billing', 'c1', [queue0])
    })
    await broker.unregisterConsumer('billing', 'c1')
    expect(heardCount).toBe(1)
  })
})

async function openLockShop(settings: object = {}) {
  const shop = await openShop(settings)
  await shop.join({ clientId: 'c2' })
  shop.told.length = 0
  const { broker, clock, told } = shop
  const [queue0, queue1, queue2] = [shop.queue(), shop.queue('orders', 1), shop.queue('orders', 2)]
  return { broker, clock, told, queue0, queue1, queue2 }
}
