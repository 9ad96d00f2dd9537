import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { BlockPool } from '../../src/store/block-pool.ts'
import { type LoadPage, QueueLog } from '../../src/store/queue-log.ts'
import { ReadCache, type ReadPage } from '../../src/store/read-cache.ts'
import { openStoredBatch, type StoredBatch } from '../../src/store/record-reader.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'
import { batchBytes } from './batch-bytes.ts'

const queue = { topic: 'orders', brokerName: 'localhost', queueId: 0 }
const UID = 65_536

function batch(baseOffset: number, count = 10): StoredBatch {
  return openStoredBatch(batchBytes({ queueUid: UID, baseOffset, count }), queue)
}

function page(...batches: StoredBatch[]): ReadPage {
  const firstOffset = batches[0]?.baseOffset ?? 0
  const nextOffset = batches.at(-1)?.nextOffset ?? 0
  const bytes = batches.reduce((sum, each) => sum + each.byteLength, 0)
  return {
    batches,
    firstOffset,
    nextOffset,
    bytes,
    readAheadOffset: Math.floor((firstOffset + nextOffset) / 2),
  }
}

function logOver(applied: number, cacheBytes: number, load: LoadPage): QueueLog {
  return new QueueLog(UID, queue, 0, applied, {
    cache: new ReadCache(cacheBytes),
    load,
    pool: new BlockPool(0),
  })
}

/** A queue whose databases hold batches of ten up to an offset, in pages of two, behind which the tail begins. */
function logWith({ applied = 100, cacheBytes = 1_000_000 } = {}) {
  const loads: number[] = []
  const log = logOver(applied, cacheBytes, async (_log, offset) => {
    loads.push(offset)
    const first = Math.floor(offset / 10) * 10
    if (first >= applied) throw new MQError('STORE_CORRUPTED', `misses ${offset}`)
    return page(...(first + 10 < applied ? [batch(first), batch(first + 10)] : [batch(first)]))
  })
  return { log, loads }
}

describe('A queue', () => {
  test('answers at once from the tail, with the batch that holds the offset', () => {
    const { log, loads } = logWith({ applied: 0 })
    for (const base of [0, 10, 20]) log.append(batch(base))
    expect(log.maxOffset).toBe(30)
    for (const offset of [0, 9, 10, 25, 29]) {
      expect(log.batchAt(offset)).toMatchObject({ baseOffset: Math.floor(offset / 10) * 10 })
    }
    expect(loads).toEqual([])
  })

  test('reads what is no longer in the tail a page at a time, and answers from that page at once', async () => {
    const { log, loads } = logWith()
    expect((await log.batchAt(35)).baseOffset).toBe(30)
    expect(loads).toEqual([35])
    expect(log.batchAt(30)).toMatchObject({ baseOffset: 30 })
  })

  test('sees tail and databases as one', async () => {
    const { log } = logWith({ applied: 20 })
    log.append(batch(20))
    for (const offset of [0, 15, 25])
      expect((await log.batchAt(offset)).baseOffset).toBe(Math.floor(offset / 10) * 10)
  })

  test('knows how far it is applied while the tail is let go, batch by batch', () => {
    const { log } = logWith({ applied: 0 })
    for (let base = 0; base < 50_000; base += 10) log.append(batch(base))
    for (let i = 0; i < 3000; i++) log.dropApplied()
    expect(log.appliedOffset).toBe(30_000)
    expect(log.batchAt(30_000)).toMatchObject({ baseOffset: 30_000 })
    expect(log.batchAt(49_999)).toMatchObject({ baseOffset: 49_990 })
    for (let i = 0; i < 2000; i++) log.dropApplied()
    expect(log.appliedOffset).toBe(50_000)
  })

  test('reads the next page ahead when half of this one is consumed, once', async () => {
    const { log, loads } = logWith()
    await log.batchAt(0)
    log.batchAt(9)
    expect(loads).toEqual([0])
    log.batchAt(10)
    log.batchAt(15)
    expect(loads).toEqual([0, 20])
    await log.batchAt(20)
    expect(loads).toEqual([0, 20])
  })

  test('does not read ahead what is in the tail anyway', async () => {
    const { log, loads } = logWith({ applied: 20 })
    log.append(batch(20))
    await log.batchAt(0)
    log.batchAt(19)
    expect(loads).toEqual([0])
  })

  test('keeps a failed read-ahead to itself until the page is asked for', async () => {
    const signal = new Signal<ReadPage>()
    const log = logOver(100, 1e6, (_log, offset) =>
      offset === 0 ? Promise.resolve(page(batch(0), batch(10))) : signal.promise,
    )
    await log.batchAt(0)
    log.batchAt(19)
    const asked = log.batchAt(20)
    signal.reject(new MQError('STORE_CORRUPTED', 'offsets 20 to 29'))
    await expect(asked).rejects.toThrow(mqError('STORE_CORRUPTED', '20 to 29'))
  })

  test('reads a page once for all that wait for it', async () => {
    const { log, loads } = logWith()
    await Promise.all([log.batchAt(5), log.batchAt(5), log.batchAt(5)])
    expect(loads).toEqual([5])
  })

  test('forgets its oldest page when the cache of all queues is full, and reads it again', async () => {
    const { log, loads } = logWith({ cacheBytes: page(batch(80), batch(90)).bytes * 2 })
    for (const offset of [0, 40, 80]) await log.batchAt(offset)
    expect(log.batchAt(81)).toMatchObject({ baseOffset: 80 })
    expect(log.batchAt(41)).toMatchObject({ baseOffset: 40 })
    await log.batchAt(0)
    expect(loads).toEqual([0, 40, 80, 0])
  })

  test('keeps a page larger than the cache as long as it is the newest', async () => {
    const { log } = logWith({ cacheBytes: 1 })
    await log.batchAt(0)
    expect(log.batchAt(1)).toMatchObject({ baseOffset: 0 })
  })
})
