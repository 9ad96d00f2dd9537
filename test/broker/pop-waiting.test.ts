import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bodiesOf, INVISIBLE_MS, letters, openPopShop, type PopShop, type Receiving } from './pop-set-up.ts'
import { watchPromise } from './set-up.ts'

const AWAIT_MS = 5000

/** A receive that waits, and whether it has ended. */
function wait(shop: PopShop, receiving: Receiving = {}) {
  const receive = shop.receive({ awaitDurationMs: AWAIT_MS, ...receiving })
  return { receive, watched: watchPromise(receive) }
}

describe('A receive that waits', () => {
  test('answers in the turn in which a message comes', async () => {
    const shop = await openPopShop()
    const { receive, watched } = wait(shop)
    await shop.clock.advance(AWAIT_MS - 1)
    expect(watched.settled).toBe(false)
    await shop.send(['a'])
    expect(bodiesOf(await receive)).toEqual(['a'])
  })

  test('answers nothing when its time is up, not earlier', async () => {
    const shop = await openPopShop()
    const { receive, watched } = wait(shop)
    await shop.clock.advance(AWAIT_MS - 1)
    expect(watched.settled).toBe(false)
    await shop.clock.advance(1)
    expect(await receive).toEqual([])
  })

  test('does not wait when there is something, nor when it may not', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    expect(await shop.bodies({ maxCount: 1 })).toEqual(['a'])
    const { timerCount } = shop.clock
    expect(await shop.bodies({ awaitDurationMs: AWAIT_MS })).toEqual(['b'])
    expect(await shop.bodies({ awaitDurationMs: 0 })).toEqual([])
    expect(shop.clock.timerCount).toBe(timerCount)
  })

  test('answers nothing when its signal fires, at once when it has fired already', async () => {
    const shop = await openPopShop()
    const controller = new AbortController()
    const { receive } = wait(shop, { signal: controller.signal })
    await shop.clock.settle()
    controller.abort()
    expect(await receive).toEqual([])
    expect(await shop.receive({ awaitDurationMs: AWAIT_MS, signal: controller.signal })).toEqual([])
  })

  test('keeps nothing after it has ended, however it ended', async () => {
    const shop = await openPopShop()
    const controller = new AbortController()
    const added: string[] = []
    const signal = controller.signal
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...parameters: Parameters<typeof add>) => {
      added.push('added')
      add(...parameters)
    }
    signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
      added.pop()
      remove(...parameters)
    }
    const { receive } = wait(shop, { signal })
    await shop.clock.settle()
    expect(added).toHaveLength(1)
    await shop.send(['a'])
    await receive
    expect(added).toEqual([])
  })

  test('is refused when the broker closes', async () => {
    const shop = await openPopShop()
    const { receive } = wait(shop)
    await shop.clock.settle()
    await Promise.all([expect(receive).rejects.toEqual(mqError('CLOSED')), shop.test.broker.close()])
  })

  test('is refused when its group may no longer consume', async () => {
    const shop = await openPopShop()
    const { receive } = wait(shop)
    await shop.clock.settle()
    await Promise.all([
      expect(receive).rejects.toEqual(mqError('NO_PERMISSION')),
      shop.setGroup({ consumeEnable: false }),
    ])
  })

  test('is refused when its group is deleted', async () => {
    const shop = await openPopShop()
    const { receive } = wait(shop)
    await shop.clock.settle()
    await Promise.all([
      expect(receive).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST')),
      shop.test.broker.deleteGroup('billing'),
    ])
  })

  test('gets the messages of a topic that appears', async () => {
    const shop = await openPopShop()
    const { receive } = wait(shop, { topics: { orders: '*', returns: '*' } })
    await shop.clock.settle()
    await shop.test.createTopic('returns')
    await shop.send(['returned'], { topic: 'returns' })
    expect(bodiesOf(await receive)).toEqual(['returned'])
  })

  test('goes on waiting when its filter lets nothing pass, and the group moves on', async () => {
    const shop = await openPopShop()
    const { receive, watched } = wait(shop, { topics: { orders: 'paid' } })
    await shop.clock.settle()
    await shop.send(letters(3), { tag: 'open' })
    await shop.clock.settle()
    expect(watched.settled).toBe(false)
    expect(await shop.progress()).toMatchObject({ lag: 0, invisibleCount: 0 })
    await shop.send(['a'], { tag: 'paid' })
    expect(bodiesOf(await receive)).toEqual(['a'])
  })

  test('gets a retry at the millisecond in which it is visible again', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await shop.receive()
    const { receive, watched } = wait(shop, { awaitDurationMs: 2 * INVISIBLE_MS })
    await shop.clock.advance(INVISIBLE_MS - 1)
    expect(watched.settled).toBe(false)
    await shop.clock.advance(1)
    expect(watched.settled).toBe(true)
    expect((await receive)[0]).toMatchObject({ deliveryAttempt: 2 })
  })

  test('looks where a reset sends its group', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    await shop.receive()
    const { receive } = wait(shop)
    await shop.clock.settle()
    await shop.test.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    expect(bodiesOf(await receive)).toEqual(['b'])
  })
})

describe('Receives that wait together', () => {
  test('each get a message that comes alone', async () => {
    const shop = await openPopShop()
    const waiting = Array.from({ length: 3 }, () => wait(shop))
    await shop.clock.settle()
    for (const body of ['a', 'b', 'c']) {
      await shop.send([body])
      await shop.clock.settle()
    }
    const bodies = await Promise.all(waiting.map(async ({ receive }) => bodiesOf(await receive)))
    expect(bodies).toEqual([['a'], ['b'], ['c']])
  })

  test('share what comes at once, one after the other', async () => {
    const shop = await openPopShop()
    const waiting = Array.from({ length: 3 }, () => wait(shop, { maxCount: 10 }))
    await shop.clock.settle()
    await shop.send(letters(25))
    const counts = await Promise.all(waiting.map(async ({ receive }) => (await receive).length))
    expect(counts).toEqual([10, 10, 5])
  })

  test('leave those in peace for whom there is nothing', async () => {
    const shop = await openPopShop()
    const waiting = Array.from({ length: 3 }, () => wait(shop))
    await shop.clock.settle()
    await shop.send(['a'])
    await shop.clock.settle()
    expect(waiting.map(({ watched }) => watched.settled)).toEqual([true, false, false])
    await shop.clock.advance(AWAIT_MS)
    expect(waiting.map(({ watched }) => watched.settled)).toEqual([true, true, true])
  })

  test('in different groups each get everything', async () => {
    const shop = await openPopShop()
    await shop.test.join({ group: 'shipping' })
    const waiting = [wait(shop), wait(shop, { group: 'shipping' })]
    await shop.clock.settle()
    await shop.send(['a'])
    for (const { receive } of waiting) expect(bodiesOf(await receive)).toEqual(['a'])
  })

  test('pass on what one of them could not take', async () => {
    const shop = await openPopShop()
    const waiting = [wait(shop), wait(shop)]
    await shop.clock.settle()
    const commit = shop.test.store.commit
    shop.test.store.commit = async () => {
      shop.test.store.commit = commit
      throw new MQError('WRITE_FAILED', 'full')
    }
    const [first, second] = waiting
    const refused = expect(first?.receive).rejects.toEqual(mqError('WRITE_FAILED'))
    await shop.send(['a'])
    await refused
    expect(bodiesOf((await second?.receive) ?? [])).toEqual(['a'])
  })
})

test('A receive that is woken and refused wakes the next', async () => {
  const shop = await openPopShop()
  await shop.test.createTopic('inbox')
  const first = wait(shop, { topics: { inbox: '*', orders: '*' } })
  const second = wait(shop)
  await shop.clock.settle()
  // As if it had changed unnoticed.
  const entry = shop.test.store.catalog.topic.bind(shop.test.store.catalog)
  shop.test.store.catalog.topic = (name) => {
    const found = entry(name)
    return name === 'inbox' && found !== undefined
      ? { ...found, config: { ...found.config, permission: 2 } }
      : found
  }
  const refused = expect(first.receive).rejects.toEqual(mqError('NO_PERMISSION'))
  await shop.send(['a'])
  await refused
  expect(bodiesOf(await second.receive)).toEqual(['a'])
})

describe('A receive that finds another one inside its only queue', () => {
  test('waits for it to leave, also when it may not wait', async () => {
    const shop = await openPopShop()
    await shop.send(letters(3))
    const [first, second, third] = await Promise.all([
      shop.receive({ maxCount: 1 }),
      shop.receive({ maxCount: 1 }),
      shop.receive({ maxCount: 1 }),
    ])
    expect([first, second, third].flatMap(bodiesOf)).toEqual(['m0', 'm1', 'm2'])
  })

  test('answers nothing when that one has taken everything', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const answers = await Promise.all(Array.from({ length: 5 }, () => shop.bodies()))
    expect(answers).toEqual([['a'], [], [], [], []])
  })

  test('gets what that one could not commit', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const commit = shop.test.store.commit
    shop.test.store.commit = async () => {
      shop.test.store.commit = commit
      throw new MQError('WRITE_FAILED', 'full')
    }
    const [first, second] = await Promise.allSettled([shop.bodies(), shop.bodies()])
    expect(first).toMatchObject({ status: 'rejected' })
    expect(second).toEqual({ status: 'fulfilled', value: ['a'] })
  })
})
