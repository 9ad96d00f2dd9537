import fc from 'fast-check'
import { MemoryLevel } from 'memory-level'
import { describe, expect, test } from 'vitest'
import { RowsLevel } from '../../../src/testing/disk/rows-level.ts'
import { SortedRows } from '../../../src/testing/disk/sorted-rows.ts'

const calm = { read: () => undefined, write: () => undefined, writeSync: () => undefined }

const key = fc.integer({ min: 0, max: 40 }).map((number) => Buffer.from([number]))
const value = fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes))
const write = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key, value }),
  fc.record({ type: fc.constant('del' as const), key }),
)
const range = fc.record(
  { gt: key, gte: key, lt: key, lte: key, reverse: fc.boolean(), limit: fc.integer({ min: -1, max: 9 }) },
  { requiredKeys: [] },
)

async function pair() {
  const rows = new RowsLevel(new SortedRows(), calm)
  const model = new MemoryLevel<Buffer, Buffer>({
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    storeEncoding: 'buffer',
  })
  await Promise.all([rows.open(), model.open()])
  return { rows, model }
}

describe('A database in memory whose copies cost nothing', () => {
  test('answers as LevelDB does', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('batch' as const), operations: fc.array(write, { maxLength: 12 }) }),
      fc.record({ do: fc.constant('clear' as const), range }),
      fc.record({ do: fc.constant('read' as const), range, key }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { rows, model } = await pair()
        for (const each of steps) {
          if (each.do === 'batch') {
            await Promise.all([rows.batch(each.operations), model.batch(each.operations)])
          } else if (each.do === 'clear') {
            const { gt, gte, lt, lte } = each.range
            const bounds = Object.fromEntries(
              Object.entries({ gt, gte, lt, lte }).filter(([, bound]) => bound),
            )
            await Promise.all([rows.clear(bounds), model.clear(bounds)])
          } else {
            expect(await rows.iterator(each.range).all()).toEqual(await model.iterator(each.range).all())
            expect(await rows.keys(each.range).all()).toEqual(await model.keys(each.range).all())
            expect(await rows.values(each.range).nextv(3)).toEqual(await model.values(each.range).nextv(3))
            expect(await rows.get(each.key)).toEqual(await model.get(each.key))
            expect(await rows.has(each.key)).toBe(await model.has(each.key))
          }
        }
        expect(await rows.iterator().all()).toEqual(await model.iterator().all())
      }),
      { numRuns: 200 },
    )
  })

  test('keeps an iterator as it was when it was made', async () => {
    const { rows } = await pair()
    await rows.put(Buffer.from('a'), Buffer.from('1'))
    const iterator = rows.iterator()
    await rows.batch([{ type: 'put', key: Buffer.from('b'), value: Buffer.from('2') }])
    expect((await iterator.all()).map(([found]) => String(found))).toEqual(['a'])
  })

  test('is not changed by what happens to a copy, nor the other way round', () => {
    const original = new SortedRows()
    original.write([{ type: 'put', key: Buffer.from('a'), value: Buffer.from('1') }])
    const copy = original.share()
    original.write([{ type: 'del', key: Buffer.from('a') }])
    expect([original.count, copy.count]).toEqual([0, 1])
    copy.write([{ type: 'put', key: Buffer.from('b'), value: Buffer.from('2') }])
    expect([original.count, copy.count]).toEqual([0, 2])
  })
})
