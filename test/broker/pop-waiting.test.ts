import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'
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

  test('answers nothing when its signal fires while it looks', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await shop.receive()
    const controller = new AbortController()
    const { watched } = wait(shop, { signal: controller.signal })
    controller.abort()
    await shop.clock.settle()
    expect(watched.settled).toBe(true)
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

/** Holds the next commits; each ends when it is told to. */
function holdCommits({ test: { store } }: PopShop, count: number): Signal[] {
  const held = Array.from({ length: count }, () => new Signal())
  const commit = store.commit.bind(store)
  let next = 0
  store.commit = async (change) => {
    await held[next++]?.promise
    return commit(change)
  }
  return held
}

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

  test.each([AWAIT_MS, 0])(
    'answers nothing at once when its signal fires, after waiting %i ms for messages',
    async (awaitDurationMs) => {
      const shop = await openPopShop()
      await shop.send(letters(2))
      const [held] = holdCommits(shop, 1)
      const first = shop.bodies({ maxCount: 1 })
      const controller = new AbortController()
      const second = wait(shop, { awaitDurationMs, signal: controller.signal })
      const third = wait(shop, { maxCount: 1 })
      await shop.clock.settle()
      controller.abort()
      await shop.clock.settle()
      expect(second.watched.settled).toBe(true)
      expect(await second.receive).toEqual([])
      held?.resolve()
      expect([await first, bodiesOf(await third.receive)]).toEqual([['m0'], ['m1']])
    },
  )

  test('answers nothing when its time is up', async () => {
    const shop = await openPopShop()
    await shop.send(letters(2))
    const [held] = holdCommits(shop, 1)
    const first = shop.bodies({ maxCount: 1 })
    const { receive, watched } = wait(shop)
    await shop.clock.advance(AWAIT_MS - 1)
    expect(watched.settled).toBe(false)
    await shop.clock.advance(1)
    expect(watched.settled).toBe(true)
    expect(await receive).toEqual([])
    held?.resolve()
    expect(await first).toEqual(['m0'])
    expect(await shop.bodies()).toEqual(['m1'])
  })

  test('takes nothing any more when its signal fired while it waited its turn', async () => {
    const shop = await openPopShop()
    const controller = new AbortController()
    const first = wait(shop, { signal: controller.signal })
    const second = wait(shop)
    await shop.clock.settle()
    const sending = shop.send(['a'])
    controller.abort()
    await sending
    expect(bodiesOf(await first.receive)).toEqual([])
    expect(bodiesOf(await second.receive)).toEqual(['a'])
  })
})

describe('Receives of several topics', () => {
  test('leave what they do not take to others that wait for it', async () => {
    const shop = await openPopShop()
    await shop.test.createTopic('returns')
    const first = wait(shop, { topics: { returns: '*', orders: '*' } })
    const second = wait(shop)
    await shop.clock.settle()
    // The first one is woken by what it then does not look at.
    await Promise.all([shop.send(['ordered']), shop.send(['returned'], { topic: 'returns' })])
    await shop.clock.settle()
    expect([first.watched.settled, second.watched.settled]).toEqual([true, true])
    expect(bodiesOf(await first.receive)).toEqual(['returned'])
    expect(bodiesOf(await second.receive)).toEqual(['ordered'])
  })

  test('that are held up at one of them hold nobody up at the other', async () => {
    const shop = await openPopShop()
    await shop.test.createTopic('returns')
    await shop.send(['ordered'])
    await shop.send(['returned'], { topic: 'returns' })
    const [ordering, returning] = holdCommits(shop, 2)
    const inside: ReturnType<typeof wait>[] = []
    for (const topic of ['orders', 'returns']) {
      inside.push(wait(shop, { topics: { [topic]: '*' } }))
      await shop.clock.settle()
    }
    const both = wait(shop, { topics: { orders: '*', returns: '*' }, awaitDurationMs: 0 })
    await shop.clock.settle()
    const one = wait(shop, { topics: { returns: '*' }, awaitDurationMs: 0 })
    await shop.clock.settle()
    expect([both.watched.settled, one.watched.settled]).toEqual([false, false])
    returning?.resolve()
    await shop.clock.settle()
    expect([both.watched.settled, one.watched.settled]).toEqual([false, true])
    ordering?.resolve()
    await shop.clock.settle()
    expect(both.watched.settled).toBe(true)
    await Promise.all(inside.map(({ receive }) => receive))
  })
})

/** Counts how often receives look for orders from now on, with commits that take a turn each. */
function countLooks({ clock, test: { store } }: PopShop): { count: number } {
  const looks = { count: 0 }
  const topic = store.catalog.topic.bind(store.catalog)
  store.catalog.topic = (name) => {
    if (name === 'orders') looks.count += 1
    return topic(name)
  }
  const commit = store.commit.bind(store)
  store.commit = async (change) => {
    await new Promise<void>((resolve) => clock.defer(resolve))
    return commit(change)
  }
  return looks
}

describe('Many receives at a time', () => {
  const count = 300

  test.each([1, 4])('look a few times for each message, over %i queues', async (queueNums) => {
    const shop = await openPopShop({ queueNums })
    for (const [i, body] of letters(count).entries()) await shop.send([body], { queueId: i % queueNums })
    const looks = countLooks(shop)
    const waiting = Array.from({ length: count }, () => wait(shop, { maxCount: 1 }))
    await shop.clock.settle()
    const bodies = (await Promise.all(waiting.map(({ receive }) => receive))).flatMap(bodiesOf)
    expect(bodies.toSorted()).toEqual(letters(count).toSorted())
    expect(looks.count).toBeLessThan(10 * count)
  })

  test('that find nothing left each answer so after a few looks', async () => {
    const shop = await openPopShop()
    await shop.send(letters(10))
    const looks = countLooks(shop)
    const receives = Array.from({ length: count }, () => shop.bodies({ maxCount: 1 }))
    await shop.clock.settle()
    expect((await Promise.all(receives)).flat()).toEqual(letters(10))
    expect(looks.count).toBeLessThan(5 * count)
  })
})
