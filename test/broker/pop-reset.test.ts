import { describe, expect, test } from 'vitest'
import type { Change } from '../../src/store/change.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'
import { bodiesOf, INVISIBLE_MS, letters, openPopShop, type PopShop } from './pop-set-up.ts'

function reset(shop: PopShop, offset: number): Promise<void> {
  return shop.test.broker.resetConsumerOffset('billing', 'orders', new Map([[0, offset]]))
}

/** Holds up the next commit that the test is about until the answered function is called. */
function holdCommit({ test: { store } }: PopShop, isMeant: (change: Change) => boolean): () => void {
  const commit = store.commit.bind(store)
  const held = new Signal()
  store.commit = async (change) => {
    if (!isMeant(change)) return commit(change)
    store.commit = commit
    await held.promise
    return commit(change)
  }
  return () => held.resolve()
}

const isReset = ({ offsets = [] }: Change): boolean => offsets.some(({ mayGoBack }) => mayGoBack === true)
const isTake = ({ alarmsPut = [], offsets = [] }: Change): boolean =>
  alarmsPut.length > 0 && offsets.length > 0

describe('A reset', () => {
  test('back delivers messages again; what is invisible stays so, and is retried besides', async () => {
    const shop = await openPopShop()
    await shop.send(letters(4))
    const first = await shop.receive({ maxCount: 2 })
    await shop.ack(first[0]!)
    await reset(shop, 0)
    expect(await shop.bodies()).toEqual(letters(4))
    await shop.ack(first[1]!)
    expect(await shop.progress()).toMatchObject({ invisibleCount: 4 })
  })

  test('forward skips messages; what is invisible is retried when its time is over', async () => {
    const shop = await openPopShop()
    await shop.send(letters(4))
    await shop.receive({ maxCount: 1 })
    await reset(shop, 3)
    expect(await shop.bodies()).toEqual(['m3'])
    await shop.clock.advance(INVISIBLE_MS)
    expect((await shop.bodies()).toSorted()).toEqual(['m0', 'm3'])
  })

  test.each([
    ['back', 0, ['m0', 'm1', 'm2', 'm3', 'm4']],
    ['forward', 4, ['m4']],
  ])('%s waits for a receive under way, and wins', async (_, offset, expected) => {
    const shop = await openPopShop()
    await shop.send(letters(5))
    await shop.ack(...(await shop.receive({ maxCount: 1 })))
    const release = holdCommit(shop, isTake)
    const receiving = shop.receive({ maxCount: 2 })
    await shop.clock.settle()
    const resetting = reset(shop, offset)
    await shop.clock.settle()
    release()
    await Promise.all([receiving, resetting])
    expect(await shop.offset()).toBe(offset)
    expect(await shop.bodies()).toEqual(expected)
  })

  test.each([
    ['back', 0, letters(5)],
    ['forward', 4, ['m4']],
  ])('%s under way holds receives up until it is done', async (_, offset, expected) => {
    const shop = await openPopShop()
    await shop.send(letters(5))
    await shop.ack(...(await shop.receive({ maxCount: 2 })))
    const release = holdCommit(shop, isReset)
    const resetting = reset(shop, offset)
    await shop.clock.settle()
    const receiving = shop.receive()
    await shop.clock.settle()
    release()
    await resetting
    expect(bodiesOf(await receiving)).toEqual(expected)
  })

  test('that fails lets receives go on where they were', async () => {
    const shop = await openPopShop()
    await shop.send(letters(2))
    await shop.ack(...(await shop.receive({ maxCount: 1 })))
    const { store } = shop.test
    const commit = store.commit.bind(store)
    const held = new Signal()
    store.commit = async () => {
      store.commit = commit
      await held.promise
    }
    const resetting = reset(shop, 0)
    await shop.clock.settle()
    const receiving = shop.receive()
    await shop.clock.settle()
    held.reject(new Error('disk'))
    await expect(resetting).rejects.toThrow('disk')
    expect(bodiesOf(await receiving)).toEqual(['m1'])
  })
})

describe('A reset of a FIFO group', () => {
  async function openFifo(): Promise<PopShop> {
    const shop = await openPopShop({ group: { consumeMessageOrderly: true } })
    await shop.send(letters(4))
    return shop
  }

  test('frees its queue, forgets its attempts and acknowledgements, and voids its handles', async () => {
    const shop = await openFifo()
    const first = await shop.receive({ maxCount: 3 })
    await shop.ack(first[1]!)
    await reset(shop, 0)
    await expect(shop.ack(first[0]!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE'))
    const second = await shop.receive()
    expect(second.map(({ message, deliveryAttempt }) => [message.text(), deliveryAttempt])).toEqual(
      letters(4).map((body) => [body, 1]),
    )
  })

  test('wakes who waits', async () => {
    const shop = await openFifo()
    await shop.receive({ maxCount: 2 })
    const waiting = shop.receive({ awaitDurationMs: 1000 })
    await shop.clock.settle()
    await reset(shop, 3)
    expect(bodiesOf(await waiting)).toEqual(['m3'])
  })

  test('waits for an acknowledgement under way, and wins', async () => {
    const shop = await openFifo()
    const first = await shop.receive({ maxCount: 2 })
    const release = holdCommit(shop, ({ alarmsCleared = [] }) => alarmsCleared.length > 0)
    const acking = shop.ack(first[1]!)
    await shop.clock.settle()
    const resetting = reset(shop, 0)
    await shop.clock.settle()
    release()
    await Promise.all([acking, resetting])
    expect(await shop.offset()).toBe(0)
    expect(await shop.bodies()).toEqual(letters(4))
  })

  test('that waits for an acknowledgement lets no other one begin', async () => {
    const shop = await openFifo()
    const first = await shop.receive({ maxCount: 3 })
    const release = holdCommit(shop, ({ alarmsCleared = [] }) => alarmsCleared.length > 0)
    const acking = shop.ack(first[0]!)
    await shop.clock.settle()
    const resetting = reset(shop, 0)
    await shop.clock.settle()
    await expect(shop.ack(first[1]!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', 'being reset'))
    release()
    await Promise.all([acking, resetting])
    expect(await shop.bodies()).toEqual(letters(4))
  })

  test('under way refuses acknowledgements, which would move it on', async () => {
    const shop = await openFifo()
    const first = await shop.receive({ maxCount: 2 })
    const release = holdCommit(shop, isReset)
    const resetting = reset(shop, 0)
    await shop.clock.settle()
    await expect(shop.ack(...first)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE'))
    release()
    await resetting
    expect(await shop.offset()).toBe(0)
    expect(await shop.bodies()).toEqual(letters(4))
  })

  test('that fails refuses acknowledgements only as long as it is under way', async () => {
    const shop = await openFifo()
    const first = await shop.receive({ maxCount: 3 })
    await shop.ack(first[2]!)
    const { store } = shop.test
    const commit = store.commit.bind(store)
    const held = new Signal()
    store.commit = async (change) => {
      if (isReset(change)) await held.promise
      return commit(change)
    }
    const resetting = reset(shop, 0)
    await shop.clock.settle()
    await expect(shop.ack(first[0]!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE'))
    held.reject(new Error('disk'))
    await expect(resetting).rejects.toThrow('disk')
    await shop.ack(first[0]!)
    expect(await shop.offset()).toBe(1)
    await shop.ack(first[1]!)
    expect(await shop.offset()).toBe(3)
    expect(await shop.bodies()).toEqual(['m3'])
  })
})
