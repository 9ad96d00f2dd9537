import { describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { mqError } from '../helpers/expect-error.ts'
import { holdFlushes, ScriptedMedium } from './scripted-medium.ts'
import { openBareStore, openShop, type TestStore } from './set-up.ts'

async function openScripted(
  settings: Partial<StoreOptions> = {},
): Promise<{ shop: TestStore; medium: ScriptedMedium }> {
  const medium = new ScriptedMedium()
  const shop = await openShop(2, { storage: 'disk', medium, ...settings })
  await shop.store.flush()
  medium.files.writes.length = 0
  medium.files.datasyncCount = 0
  return { shop, medium }
}

describe('Sends that come together', () => {
  test('share one frame of the journal, over all queues and with other changes', async () => {
    const { shop, medium } = await openScripted()
    const group = await shop.createGroup()
    medium.files.writes.length = 0
    await Promise.all([
      ...Array.from({ length: 500 }, (_, i) => shop.send(`m${i}`, shop.log('orders', i % 2))),
      shop.store.commit({ offsets: [{ group, log: shop.log(), offset: 0 }] }),
    ])
    expect(medium.files.writes).toHaveLength(1)
  })

  test('that are awaited one by one take a frame each', async () => {
    const { shop, medium } = await openScripted()
    for (let i = 0; i < 5; i++) await shop.send(`m${i}`)
    expect(medium.files.writes).toHaveLength(5)
  })

  test('are written in the middle of the turn when they are many, so that no frame grows large', async () => {
    const { shop, medium } = await openScripted()
    await Promise.all(Array.from({ length: 40 }, () => shop.send({ body: Buffer.alloc(100_000, 1) })))
    expect(medium.files.writes.length).toBeGreaterThanOrEqual(3)
    expect(Math.max(...medium.files.writes)).toBeLessThan(1.3 * 1024 * 1024)
  })

  test('all fail together when the frame cannot be written, and nothing of them is stored', async () => {
    const { shop, medium } = await openScripted()
    await shop.send('before')
    medium.files.beforeWrite = () => {
      throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
    }
    const failed = await Promise.allSettled([
      shop.send('a'),
      shop.sendBatch(['b', 'c']),
      shop.createTopic('other'),
    ])
    for (const each of failed) {
      expect(each).toMatchObject({
        status: 'rejected',
        reason: { code: 'WRITE_FAILED', outcome: 'not-attempted' },
      })
    }
    medium.files.beforeWrite = () => undefined
    expect(shop.store.state).toBe('open')
    await shop.send('after')
    expect(await shop.bodies()).toEqual(['before', 'after'])
  })
})

describe('A slow disk', () => {
  test('makes writes leave the main thread for a second, and is reported', async () => {
    const { shop, medium } = await openScripted()
    let direct = 0
    medium.files.beforeWrite = () => {
      direct += 1
      shop.clock.advance(60).catch(() => undefined)
    }
    await shop.send('slow')
    await shop.clock.settle()
    expect(direct).toBe(1)
    medium.files.beforeWrite = () => undefined
    await shop.send('behind')
    expect(await shop.bodies()).toEqual(['slow', 'behind'])
  })
})

describe('SYNC_FLUSH', () => {
  const sync = { flushDiskType: 'SYNC_FLUSH', syncFlushTimeoutMs: 5000 } as const

  test('answers a send when it is flushed, and says so', async () => {
    const { shop, medium } = await openScripted(sync)
    const hold = holdFlushes(medium.files)
    let answered = false
    const sent = shop.send('a').then((receipt) => {
      answered = true
      return receipt
    })
    await shop.clock.settle()
    expect(answered).toBe(false)
    expect(shop.log().maxOffset).toBe(0)
    hold.resolve()
    expect(await sent).toMatchObject({ status: 'SEND_OK', durability: 'SYNC_FLUSH' })
  })

  test('lets all that came during a flush share the next one', async () => {
    const { shop, medium } = await openScripted(sync)
    const hold = holdFlushes(medium.files)
    const first = shop.send('first')
    await shop.clock.settle()
    const others = Array.from({ length: 200 }, (_, i) => shop.send(`m${i}`))
    await shop.clock.settle()
    hold.resolve()
    await Promise.all([first, ...others])
    expect(medium.files.datasyncCount).toBe(2)
    expect(medium.files.writes).toHaveLength(2)
  })

  test('answers FLUSH_DISK_TIMEOUT when the disk takes too long: stored, but not yet safe', async () => {
    const { shop, medium } = await openScripted(sync)
    const hold = holdFlushes(medium.files)
    const sent = shop.send('a')
    await shop.clock.advance(5000)
    expect(await sent).toMatchObject({ status: 'FLUSH_DISK_TIMEOUT', queueOffset: 0 })
    expect(await shop.bodies()).toEqual(['a'])
    hold.resolve()
    expect(await shop.send('b')).toMatchObject({ status: 'SEND_OK' })
  })

  test('refuses everything once a flush has failed, with the first cause, and never flushes again', async () => {
    const { shop, medium } = await openScripted(sync)
    medium.files.datasyncError = new Error('EIO')
    await expect(shop.send('a')).rejects.toMatchObject({ code: 'STORE_FAILED', outcome: 'unknown' })
    const flushes = medium.files.datasyncCount
    await expect(shop.send('b')).rejects.toThrow(mqError('STORE_FAILED'))
    await expect(shop.store.flush()).rejects.toThrow(mqError('STORE_FAILED'))
    expect(medium.files.datasyncCount).toBe(flushes)
    expect(shop.events('store-state')).toEqual([{ state: 'failed', error: mqError('STORE_FAILED') }])
    await shop.store.close()
    await shop.open()
    expect(shop.log().maxOffset).toBeLessThanOrEqual(1)
  })

  test('stores the largest groups so that they are found again after a kill', async () => {
    const medium = new ScriptedMedium()
    const shop = await openBareStore({ storage: 'disk', medium, ...sync })
    await shop.createTopic()
    const hold = holdFlushes(medium.files)
    const first = shop.send('first')
    await shop.clock.settle()
    const body = Buffer.alloc(4 * 1024 * 1024 - 26, 1)
    const large = Array.from({ length: 16 }, () => shop.send({ body }))
    await shop.clock.settle()
    hold.resolve()
    await Promise.all([first, ...large])
    await shop.open()
    expect(shop.store.recovery.tornBytes).toBe(0)
    expect(shop.log().maxOffset).toBe(17)
    await shop.store.close()
  })
})

describe('ASYNC_FLUSH', () => {
  test('answers before the flush, which follows after the interval', async () => {
    const { shop, medium } = await openScripted({ flushIntervalMs: 500 })
    expect(await shop.send('a')).toMatchObject({ status: 'SEND_OK', durability: 'ASYNC_FLUSH' })
    await shop.clock.advance(499)
    expect(medium.files.datasyncCount).toBe(0)
    await shop.clock.advance(1)
    expect(medium.files.datasyncCount).toBe(1)
  })

  test('flushes sooner when much was written', async () => {
    const { shop, medium } = await openScripted()
    await Promise.all(Array.from({ length: 90 }, () => shop.send({ body: Buffer.alloc(100_000, 1) })))
    await shop.clock.settle()
    expect(medium.files.datasyncCount).toBeGreaterThanOrEqual(1)
  })

  test('flushes nothing while nothing is written', async () => {
    const { shop, medium } = await openScripted()
    await shop.clock.advance(60_000)
    expect(medium.files.datasyncCount).toBe(0)
  })

  test('flushes on demand all that was sent before', async () => {
    const { shop, medium } = await openScripted()
    const sent = shop.send('a')
    await shop.store.flush()
    expect(medium.files.datasyncCount).toBe(1)
    expect(shop.log().maxOffset).toBe(1)
    await sent
  })

  test('gives the databases nothing that is not flushed', async () => {
    const { shop, medium } = await openScripted()
    await shop.send('a')
    await shop.clock.settle()
    expect(shop.log().appliedOffset).toBe(0)
    await shop.store.flush()
    await shop.clock.settle()
    expect(shop.log().appliedOffset).toBe(1)
    expect(medium.files.datasyncCount).toBe(1)
  })
})

describe('Back-pressure', () => {
  const limits = { maxUnappliedBytes: 10_000, maxPendingSendBytes: 20_000, minFreeDiskBytes: 0 }
  const body = Buffer.alloc(1000, 1)

  test('lets sends wait once too many bytes are not in the databases, and lets them in when they are', async () => {
    const { shop } = await openScripted({ limits })
    const settled: string[] = []
    const sends = Array.from({ length: 20 }, (_, i) => shop.send({ body }).then(() => settled.push(`${i}`)))
    await shop.clock.settle()
    expect(settled.length).toBeGreaterThanOrEqual(9)
    expect(settled.length).toBeLessThanOrEqual(11)
    await shop.store.flush()
    await shop.clock.settle()
    await shop.store.flush()
    await Promise.all(sends)
    expect(settled).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
  })

  test('refuses with SEND_TIMEOUT what waited too long, and with SYSTEM_BUSY what there is no room to wait for', async () => {
    const { shop } = await openScripted({ limits })
    const sends = Array.from({ length: 40 }, () => shop.send({ body }, shop.log(), 100))
    const outcomes = Promise.allSettled(sends)
    await shop.clock.advance(100)
    await shop.clock.settle()
    const codes = (await outcomes).map((each) => (each.status === 'fulfilled' ? 'OK' : each.reason.code))
    expect(new Set(codes)).toEqual(new Set(['OK', 'SEND_TIMEOUT', 'SYSTEM_BUSY']))
    expect(codes).toEqual([...codes].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)))
    expect(shop.log().maxOffset).toBe(codes.filter((code) => code === 'OK').length)
  })

  test('copies the body of a send that waits', async () => {
    const { shop } = await openScripted({ limits })
    await Promise.all(Array.from({ length: 9 }, () => shop.send({ body })))
    const last = Buffer.from('x'.repeat(1500))
    const waiting = [shop.send({ body: last }), shop.send({ body: last })]
    last.fill('y')
    await shop.store.flush()
    await shop.clock.settle()
    await Promise.all(waiting)
    expect((await shop.bodies()).slice(9)).toEqual(['x'.repeat(1500), 'x'.repeat(1500)])
  })

  test('does not hold up offsets, retries and topics', async () => {
    const { shop } = await openScripted({ limits })
    const sends = Array.from({ length: 15 }, () => shop.send({ body }))
    await shop.clock.settle()
    await expect(shop.createGroup()).resolves.toBeDefined()
    await shop.store.flush()
    await shop.clock.settle()
    await Promise.all(sends)
  })

  test('lets sends in again when the write they waited for was refused', async () => {
    const { shop, medium } = await openScripted({ flushDiskType: 'SYNC_FLUSH', limits })
    const hold = holdFlushes(medium.files)
    const first = shop.send('first')
    await shop.clock.settle()
    let failures = 1
    medium.files.beforeWrite = () => {
      if (failures-- > 0) throw new Error('ENOSPC')
    }
    const outcomes = Promise.allSettled(Array.from({ length: 15 }, () => shop.send({ body })))
    await shop.clock.settle()
    hold.resolve()
    await first
    await shop.clock.settle()
    await shop.clock.settle()
    expect(await shop.send('later', shop.log(), 100)).toMatchObject({ status: 'SEND_OK' })
    const codes = (await outcomes).map((each) => (each.status === 'fulfilled' ? 'OK' : each.reason.code))
    expect(new Set(codes)).toEqual(new Set(['WRITE_FAILED', 'OK']))
  })

  test('ends with the store: what still waits is refused', async () => {
    const { shop } = await openScripted({ limits })
    const outcomes = Promise.allSettled(Array.from({ length: 15 }, () => shop.send({ body })))
    await shop.clock.settle()
    await shop.store.close()
    const codes = (await outcomes).map((each) => (each.status === 'fulfilled' ? 'OK' : each.reason.code))
    expect(new Set(codes)).toEqual(new Set(['OK', 'CLOSED']))
  })
})

const ORDER = ['OK', 'SEND_TIMEOUT', 'SYSTEM_BUSY']

describe('A disk that is nearly full', () => {
  const settings = {
    limits: { maxUnappliedBytes: 1e6, maxPendingSendBytes: 1e6, minFreeDiskBytes: 1000 },
    retention: { maxAgeMs: 1e12, maxBytes: 1e12, intervalMs: 10_000 },
  }

  test('refuses sends before anything is written, lets everything else go on, and recovers by itself', async () => {
    const { shop, medium } = await openScripted(settings)
    await shop.send('before')
    medium.files.freeByteCount = 999
    await shop.clock.advance(10_000)
    expect(shop.store.state).toBe('read-only')
    expect(shop.events('warning')).toEqual([
      { code: 'DISK_LOW', message: expect.stringContaining('999 bytes') },
    ])
    await expect(shop.send('refused')).rejects.toMatchObject({ code: 'DISK_FULL', outcome: 'not-attempted' })
    expect(await shop.bodies()).toEqual(['before'])
    const group = await shop.createGroup()
    await shop.store.commit({ offsets: [{ group, log: shop.log(), offset: 1 }] })

    medium.files.freeByteCount = 1000
    await shop.clock.advance(10_000)
    expect(shop.store.state).toBe('open')
    await shop.send('after')
    expect(await shop.bodies()).toEqual(['before', 'after'])
    expect(shop.events('store-state').map(({ state }) => state)).toEqual(['read-only', 'open'])
  })

  test('is said once, not at every look', async () => {
    const { shop, medium } = await openScripted(settings)
    medium.files.freeByteCount = 0
    await shop.clock.advance(60_000)
    expect(shop.events('store-state')).toHaveLength(1)
    expect(shop.events('warning')).toHaveLength(1)
    medium.files.freeByteCount = 1e9
    await shop.clock.advance(10_000)
  })

  test('is seen before the first send, when the store is opened on it', async () => {
    const medium = new ScriptedMedium()
    const shop = await openShop(1, { storage: 'disk', medium, ...settings })
    medium.files.freeByteCount = 0
    await shop.reopen()
    await shop.clock.settle()
    await expect(shop.send('a')).rejects.toThrow(mqError('DISK_FULL'))
  })
})
