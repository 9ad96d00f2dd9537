import { describe, expect, test } from 'vitest'
import { MQError, type MQErrorCode } from '../../src/model/errors.ts'
import type { Change } from '../../src/store/change.ts'
import { Signal } from '../helpers/signal.ts'
import { sendIn, waitingTexts } from './delayed-set-up.ts'
import { openShop, type TestBroker, watchPromise } from './set-up.ts'

const RETRY_TOPIC = '%RETRY%billing'
const FIRST_RETRY_MS = 10_000

/** A shop in which so many messages have failed for the first time. */
async function openWithRetries(count: number, body = 'x'): Promise<TestBroker> {
  const shop = await openShop()
  for (let i = 0; i < count; i++) await shop.send({ body: `${body}${i}` })
  for (let i = 0; i < count; i++) await shop.fail(await shop.view('orders', i))
  return shop
}

/** Lets a number of commits fail; answers what the others held. */
function failCommits(
  shop: TestBroker,
  count: number,
  error: Error = new MQError('WRITE_FAILED', 'full'),
): Change[] {
  const commits: Change[] = []
  const commit = shop.store.commit.bind(shop.store)
  let left = count
  shop.store.commit = (change) => {
    if (left-- > 0) return Promise.reject(error)
    commits.push(change)
    return commit(change)
  }
  return commits
}

/** Holds commits up until the answered function is called. */
function holdCommits(shop: TestBroker): () => void {
  const commit = shop.store.commit.bind(shop.store)
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  shop.store.commit = async (change) => {
    await released
    return commit(change)
  }
  return release
}

async function retriedBodies(shop: TestBroker): Promise<string[]> {
  const result = await shop.pull({ queue: shop.queue(RETRY_TOPIC), maxCount: 1024 })
  return result.messages.map((message) => message.text())
}

describe('What is due', () => {
  test('happens at its time, not before', async () => {
    const shop = await openWithRetries(1)
    await shop.clock.advance(FIRST_RETRY_MS - 1)
    expect(await retriedBodies(shop)).toEqual([])
    await shop.clock.advance(1)
    expect(await retriedBodies(shop)).toEqual(['x0'])
  })

  test('happens in the order of its time', async () => {
    const shop = await openShop()
    for (const body of ['late', 'early', 'middle']) await shop.send({ body })
    for (const [offset, delayLevel] of [5, 3, 4].entries()) {
      await shop.fail(await shop.view('orders', offset), { delayLevel })
    }
    await shop.clock.advance(3_600_000)
    expect(await retriedBodies(shop)).toEqual(['early', 'middle', 'late'])
  })

  test('at the same time happens in the order in which it was set', async () => {
    const shop = await openWithRetries(20)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(await retriedBodies(shop)).toEqual(Array.from({ length: 20 }, (_, i) => `x${i}`))
  })

  test('at the same time shares a commit, of at most 256 alarms', async () => {
    const shop = await openWithRetries(300)
    const commits = failCommits(shop, 0)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(commits.map((change) => change.alarmsCleared?.length)).toEqual([256, 44])
    expect(commits.map((change) => change.appends?.length)).toEqual([1, 1])
    expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(300)
  })

  test('shares a commit of not much more than 1 MiB', async () => {
    const shop = await openWithRetries(128, 'x'.repeat(50_000))
    const commits = failCommits(shop, 0)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(commits.map((change) => change.alarmsCleared?.length)).toEqual([32, 32, 32, 32])
  })

  test('lets others have a turn between two commits', async () => {
    const shop = await openWithRetries(600)
    const order: string[] = []
    shop.store.onAppended = () => {
      order.push('commit')
      setImmediate(() => order.push('turn'))
    }
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(order).toEqual(['commit', 'turn', 'commit', 'turn', 'commit', 'turn'])
  })

  test('happens once, also when more becomes due while its commit is under way', async () => {
    const shop = await openWithRetries(2)
    await shop.fail(await shop.view(), { delayLevel: 4 })
    const release = holdCommits(shop)
    await shop.clock.advance(FIRST_RETRY_MS)
    shop.store.alarms.onChanged()
    await shop.clock.advance(60_000)
    release()
    await shop.clock.advance(1)
    expect(await retriedBodies(shop)).toEqual(['x0', 'x1', 'x0'])
  })

  test('is known to be under way', async () => {
    const shop = await openWithRetries(1)
    const busy: boolean[] = [shop.broker.busy]
    shop.store.onAppended = () => busy.push(shop.broker.busy)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect([...busy, shop.broker.busy]).toEqual([false, true, false])
  })
})

describe('When the store fails', () => {
  test('what is due is tried again, and happens once', async () => {
    const shop = await openWithRetries(3)
    failCommits(shop, 4)
    await shop.clock.advance(FIRST_RETRY_MS + 60_000)
    expect(await retriedBodies(shop)).toEqual(['x0', 'x1', 'x2'])
    expect(shop.events('error').map(({ code }) => code)).toEqual(Array(4).fill('WRITE_FAILED'))
  })

  test('the pauses grow from 0.1 to 30 seconds', async () => {
    const shop = await openWithRetries(1)
    const start = shop.clock.now() + FIRST_RETRY_MS
    const tries: number[] = []
    shop.store.commit = () => {
      tries.push(shop.clock.now() - start)
      return Promise.reject(new Error('disk gone'))
    }
    await shop.clock.advance(FIRST_RETRY_MS + 120_000)
    const pauses = tries.slice(1).map((time, i) => time - (tries[i] ?? 0))
    expect(tries[0]).toBe(0)
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  })

  test('a success makes the next pause short again', async () => {
    const shop = await openWithRetries(1)
    failCommits(shop, 5)
    await shop.clock.advance(FIRST_RETRY_MS + 60_000)
    await shop.fail(await shop.view())
    await shop.clock.advance(FIRST_RETRY_MS - 1)
    const commits = failCommits(shop, 1)
    await shop.clock.advance(101)
    expect(commits).toHaveLength(1)
  })

  test('new alarms do not shorten the pause', async () => {
    const shop = await openWithRetries(2)
    const commits = failCommits(shop, 1)
    await shop.clock.advance(FIRST_RETRY_MS)
    await shop.fail(await shop.view(), { delayLevel: 1 })
    commits.length = 0
    await shop.clock.advance(99)
    expect(commits).toEqual([])
    await shop.clock.advance(1)
    expect(commits.map((change) => change.alarmsCleared?.length)).toEqual([2])
  })

  test('a record that cannot be read now is not taken for lost', async () => {
    const shop = await openWithRetries(1)
    const read = shop.store.readRecord.bind(shop.store)
    shop.store.readRecord = () => Promise.reject(new MQError('SYSTEM_ERROR', 'LevelDB heals'))
    await shop.clock.advance(FIRST_RETRY_MS)
    shop.store.readRecord = read
    await shop.clock.advance(60_000)
    expect(await retriedBodies(shop)).toEqual(['x0'])
    expect(shop.events('message-lost')).toEqual([])
  })
})

/** Lets reads of some offsets fail; answers how often each was read. */
function failReads(shop: TestBroker, code: MQErrorCode, ...offsets: readonly number[]): number[] {
  const counts = offsets.map(() => 0)
  const read = shop.store.readRecord.bind(shop.store)
  shop.store.readRecord = (queueUid, offset) => {
    const index = offsets.indexOf(offset)
    if (index < 0) return read(queueUid, offset)
    counts[index] = (counts[index] ?? 0) + 1
    return Promise.reject(new MQError(code, `offset ${offset}`))
  }
  return counts
}

describe('An alarm that fails', () => {
  test('does not keep the others of its page from their time', async () => {
    const shop = await openWithRetries(3)
    failReads(shop, 'SYSTEM_ERROR', 1)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(await retriedBodies(shop)).toEqual(['x0', 'x2'])
    expect(shop.events('error').map(({ message }) => message)).toEqual(['offset 1'])
    expect(shop.store.alarms.size).toBe(1)
  })

  test('rests longer from time to time, up to 30 seconds, and is told once each time', async () => {
    const shop = await openWithRetries(2)
    const counts = failReads(shop, 'SYSTEM_ERROR', 0)
    await shop.clock.advance(FIRST_RETRY_MS + 99)
    expect(counts).toEqual([1])
    await shop.clock.advance(1)
    expect(counts).toEqual([2])
    await shop.clock.advance(51_100 - 100)
    expect(counts).toEqual([10])
    await shop.clock.advance(29_999)
    expect(counts).toEqual([10])
    await shop.clock.advance(1)
    expect(counts).toEqual([11])
    expect(shop.events('error')).toHaveLength(11)
  })

  test('does not delay what becomes due while it rests', async () => {
    const shop = await openWithRetries(1)
    failReads(shop, 'SYSTEM_ERROR', 0)
    await shop.clock.advance(FIRST_RETRY_MS + 30_000)
    await shop.send({ body: 'later' })
    await shop.fail(await shop.view('orders', 1), { delayLevel: 1 })
    await shop.clock.advance(999)
    expect(await retriedBodies(shop)).toEqual([])
    await shop.clock.advance(1)
    expect(await retriedBodies(shop)).toEqual(['later'])
  })

  test('does not stop the others although more fail than a page holds', async () => {
    const shop = await openWithRetries(301)
    failReads(shop, 'SYSTEM_ERROR', ...Array.from({ length: 300 }, (_, i) => i))
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(await retriedBodies(shop)).toEqual(['x300'])
  })

  test('happens once when it can be done again', async () => {
    const shop = await openWithRetries(2)
    const read = shop.store.readRecord
    failReads(shop, 'SYSTEM_ERROR', 0)
    await shop.clock.advance(FIRST_RETRY_MS)
    shop.store.readRecord = read
    await shop.clock.advance(60_000)
    expect(await retriedBodies(shop)).toEqual(['x1', 'x0'])
    expect(shop.store.alarms.size).toBe(0)
  })

  test('makes all wait when it says that the store cannot go on', async () => {
    const shop = await openWithRetries(3)
    failReads(shop, 'SERVICE_NOT_AVAILABLE', 1)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(await retriedBodies(shop)).toEqual([])
    expect(shop.events('error')).toHaveLength(1)
  })
})

describe('What is due while it is deleted', () => {
  /** Holds reads up until the answered function is called. */
  function holdReads(shop: TestBroker): () => void {
    const gate = new Signal()
    const read = shop.store.readRecord.bind(shop.store)
    shop.store.readRecord = async (queueUid, offset) => {
      const message = await read(queueUid, offset)
      await gate.promise
      return message
    }
    return () => gate.resolve()
  }

  test('with its group neither happens nor makes the retry topic again', async () => {
    const shop = await openWithRetries(2)
    await shop.broker.unregisterConsumer('billing', 'c1')
    const release = holdReads(shop)
    await shop.clock.advance(FIRST_RETRY_MS)
    await shop.broker.deleteGroup('billing')
    release()
    await shop.clock.advance(60_000)
    expect(shop.store.catalog.topic(RETRY_TOPIC)).toBeUndefined()
    expect(shop.store.alarms.size).toBe(0)
    expect(shop.events('error')).toEqual([])
  })

  test('with its topic does not happen, as it was told that it is lost', async () => {
    const shop = await openWithRetries(1)
    const release = holdReads(shop)
    await shop.clock.advance(FIRST_RETRY_MS)
    await shop.broker.deleteTopic('orders')
    release()
    await shop.clock.advance(60_000)
    expect(await retriedBodies(shop)).toEqual([])
    expect(shop.events('message-lost')).toHaveLength(1)
  })

  test('waits while a deletion is under way, and happens if that fails', async () => {
    const shop = await openWithRetries(1)
    const log = shop.log(RETRY_TOPIC)
    log.isClosed = true
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(shop.events('error')).toEqual([])
    log.isClosed = false
    await shop.clock.advance(100)
    expect(await retriedBodies(shop)).toEqual(['x0'])
  })
})

describe('When the clock is set', () => {
  test('forward, what is due now happens within a minute', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.fail(await shop.view(), { delayLevel: 18 })
    await shop.clock.advance(1)
    shop.clock.jump(7_200_000)
    await shop.clock.advance(60_000)
    expect(await retriedBodies(shop)).toEqual(['x'])
  })

  test('back, nothing happens early or twice', async () => {
    const shop = await openWithRetries(1)
    shop.clock.jump(-3_600_000)
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(await retriedBodies(shop)).toEqual([])
    await shop.clock.advance(3_600_000)
    expect(await retriedBodies(shop)).toEqual(['x0'])
  })
})

describe('A closed broker', () => {
  test('does nothing more that is due', async () => {
    const shop = await openWithRetries(1)
    await shop.broker.close()
    await shop.clock.advance(FIRST_RETRY_MS)
    expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(0)
  })

  test('waits for what is under way', async () => {
    const shop = await openWithRetries(1)
    const release = holdCommits(shop)
    await shop.clock.advance(FIRST_RETRY_MS)
    const closing = shop.broker.close()
    const watched = watchPromise(closing)
    await shop.clock.settle()
    expect(watched.settled).toBe(false)
    release()
    await closing
    expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(1)
  })

  test('does not wait for what cannot be read', async () => {
    const shop = await openShop()
    await sendIn(shop, 1000)
    shop.broker.delay.planDelivery = () => new Promise(() => undefined)
    await shop.clock.advance(1000)
    expect(shop.broker.busy).toBe(true)
    await shop.broker.close()
    expect(await shop.broker.maxOffset(shop.queue())).toBe(0)
  })

  test('commits nothing that was read while it closed', async () => {
    const shop = await openShop()
    await sendIn(shop, 1000)
    const reading = new Signal()
    const plan = shop.broker.delay.planDelivery.bind(shop.broker.delay)
    shop.broker.delay.planDelivery = async (alarm) => {
      await reading.promise
      return plan(alarm)
    }
    await shop.clock.advance(1000)
    await shop.broker.close()
    reading.resolve()
    await shop.clock.settle()
    expect(shop.broker.busy).toBe(false)
    expect(await waitingTexts(shop)).toEqual(['x'])
    expect(shop.events('error')).toEqual([])
  })

  test('says nothing about a failure on the way down', async () => {
    const shop = await openWithRetries(1)
    shop.store.commit = () => {
      void shop.broker.close()
      return Promise.reject(new MQError('CLOSED', 'The store is closed.'))
    }
    await shop.clock.advance(FIRST_RETRY_MS + 60_000)
    expect(shop.events('error')).toEqual([])
  })
})
