import { describe, expect, test } from 'vitest'
import { SEGMENT_HEADER_BYTES, segmentName } from '../../src/store/journal-format.ts'
import { scanJournal } from '../../src/store/journal-reader.ts'
import { mqError } from '../helpers/expect-error.ts'
import { ScriptedMedium } from './scripted-medium.ts'
import { openBareStore, type TestStore } from './set-up.ts'

/** A store whose process dies: what is in its medium is all that is left. */
async function openDying(): Promise<{ shop: TestStore; medium: ScriptedMedium }> {
  const medium = new ScriptedMedium()
  const shop = await openBareStore({ storage: 'disk', medium })
  await shop.createTopic()
  return { shop, medium }
}

/** Sends messages one by one, a frame each. */
async function sendEach(shop: TestStore, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) await shop.send(`m${i}`)
}

const bodiesUpTo = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`)

/** Where the frames of the only segment begin, and its end. */
function frameStarts(medium: ScriptedMedium): number[] {
  const segment = medium.files.get(onlySegment(medium))
  const starts: number[] = []
  for (let position = SEGMENT_HEADER_BYTES; position < segment.length; ) {
    starts.push(position)
    position += segment.readUInt32BE(position + 8)
  }
  return [...starts, segment.length]
}

function onlySegment(medium: ScriptedMedium): string {
  const [name, more] = medium.files.names().filter((each) => each.startsWith('journal/'))
  if (name === undefined || more !== undefined) throw new Error('there should be one segment')
  return name
}

/** Changes a byte in the middle of each of these frames, counted from the end of the journal. */
function damage(medium: ScriptedMedium, ...framesFromEnd: number[]): void {
  const starts = frameStarts(medium)
  const segment = Buffer.from(medium.files.get(onlySegment(medium)))
  for (const fromEnd of framesFromEnd) {
    const position = starts.at(-1 - fromEnd) as number
    segment[position + 40] = (segment[position + 40] ?? 0) ^ 0xff
  }
  medium.files.put(onlySegment(medium), segment)
}

function cut(medium: ScriptedMedium, bytes: number): void {
  const segment = medium.files.get(onlySegment(medium))
  medium.files.put(onlySegment(medium), segment.subarray(0, segment.length - bytes))
}

async function expectReopened(shop: TestStore, count: number): Promise<void> {
  await shop.open()
  expect(await shop.bodies()).toEqual(bodiesUpTo(count))
  await shop.expectSound()
  await shop.send('next')
  expect(shop.log().maxOffset).toBe(count + 1)
  await shop.reopen()
  expect(await shop.bodies()).toEqual([...bodiesUpTo(count), 'next'])
  await shop.store.close()
}

describe('After the process died', () => {
  test('everything acknowledged is there, applied or not, flushed or not', async () => {
    const { shop } = await openDying()
    await sendEach(shop, 10)
    await shop.store.check()
    await sendEach(shop, 10, 10)
    await shop.store.flush()
    await sendEach(shop, 10, 20)
    await expectReopened(shop, 30)
  })

  test('numbers are not used again: neither sequence numbers nor identities nor alarms', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 3)
    const before = (await scanJournal(medium.files, 1)).frames.at(-1)?.seq ?? 0
    await shop.open()
    expect(shop.store.recovery).toMatchObject({ clean: false, tornBytes: 0 })
    await shop.send('later')
    const after = (await scanJournal(medium.files, 1)).frames.at(-1)?.seq ?? 0
    expect(after).toBeGreaterThan(before + 1000)
    await shop.store.close()
  })

  test('in the middle of recovery, the next recovery finds the same', async () => {
    const { shop } = await openDying()
    await sendEach(shop, 5)
    for (let i = 0; i < 3; i++) await shop.open()
    await expectReopened(shop, 5)
  })
})

describe('A torn tail of the journal', () => {
  test('is cut off at whatever byte it ends, and what was whole is kept', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 3)
    const whole = Buffer.from(medium.files.get(onlySegment(medium)))
    const last = frameStarts(medium).at(-2) ?? 0
    for (let end = last + 1; end < whole.length; end += 7) {
      const left = new ScriptedMedium()
      left.files.put('STORE.json', medium.files.get('STORE.json'))
      left.files.put(onlySegment(medium), whole.subarray(0, end))
      const reopened = await openBareStore({ storage: 'disk', medium: left })
      expect(await reopened.bodies()).toEqual(['m0', 'm1'])
      expect(reopened.store.recovery.tornBytes).toBe(end - last)
      await reopened.store.close()
    }
  })

  test('of several frames that were written in another order than they reached the disk, is cut at the first hole', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 6)
    damage(medium, 3)
    await expectReopened(shop, 3)
  })

  test('in a segment whose header never reached the disk is cut off', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 2)
    medium.files.put(segmentName(99), Buffer.alloc(20))
    await expectReopened(shop, 2)
  })
})

describe('Damage in the journal', () => {
  test('of what was flushed and is not in the databases is refused, naming what is missing', async () => {
    const { shop, medium } = await openDying()
    const databases = await medium.copyDatabases()
    await sendEach(shop, 5)
    await shop.store.flush()
    await sendEach(shop, 2, 5)
    medium.restoreDatabases(databases)
    damage(medium, 5)
    await expect(shop.open()).rejects.toThrow(mqError('STORE_CORRUPTED', 'sequence numbers'))
  })

  test('of what the databases hold costs nothing but a warning', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 5)
    await shop.store.check()
    await sendEach(shop, 5, 5)
    damage(medium, 8)
    await shop.open()
    expect(shop.store.recovery.warnings).toEqual([expect.stringContaining('the databases hold these')])
    await shop.store.close()
    await expectReopened(shop, 10)
  })

  test('in two places, one of which only the journal held, is refused and never skipped', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 5)
    await shop.store.check()
    const databases = await medium.copyDatabases()
    await sendEach(shop, 5, 5)
    await shop.store.flush()
    await sendEach(shop, 1, 10)
    medium.restoreDatabases(databases)
    damage(medium, 9, 3)
    await expect(shop.open()).rejects.toThrow(mqError('STORE_CORRUPTED', 'missing'))
  })

  test('leaves the frames behind it in the journal until they are replayed', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 5)
    await shop.store.check()
    await sendEach(shop, 5, 5)
    damage(medium, 8)
    const before = medium.files.get(onlySegment(medium)).length
    // The process dies again before the new segment is made.
    const { createJournalFile } = medium.files
    medium.files.createJournalFile = () => Promise.reject(new Error('killed'))
    await expect(shop.open()).rejects.toThrow(mqError('SYSTEM_ERROR', 'killed'))
    medium.files.createJournalFile = createJournalFile
    expect(medium.files.get(onlySegment(medium))).toHaveLength(before)
    await expectReopened(shop, 10)
  })

  test('such as a missing segment is refused', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 3)
    await medium.files.remove(onlySegment(medium))
    await expect(shop.open()).rejects.toThrow(mqError('STORE_CORRUPTED', 'The journal is gone'))
  })

  test('such as a journal cut below what the databases hold is refused', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 5)
    await shop.store.check()
    cut(medium, 200)
    await expect(shop.open()).rejects.toThrow(mqError('STORE_CORRUPTED', 'missing'))
  })

  test('such as the journal of another store is refused', async () => {
    const { shop, medium } = await openDying()
    const other = await openDying()
    await sendEach(shop, 2)
    medium.files.put('STORE.json', Buffer.from(otherStoreId(other.medium.files.get('STORE.json').toString())))
    await expect(shop.open()).rejects.toThrow(mqError('STORE_CORRUPTED'))
  })
})

describe('After a proper close', () => {
  test('the journal is gone and nothing is replayed', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 3)
    await shop.store.close()
    expect(medium.files.names()).toEqual(['STORE.json'])
    await shop.open()
    expect(shop.store.recovery).toMatchObject({ clean: true, replayedFrameCount: 0 })
    expect(await shop.bodies()).toEqual(bodiesUpTo(3))
    await shop.store.close()
  })

  test('a journal that could not be removed any more is ignored', async () => {
    const { shop, medium } = await openDying()
    await sendEach(shop, 3)
    const name = onlySegment(medium)
    const segment = medium.files.get(name)
    await shop.store.close()
    medium.files.put(name, segment)
    await expectReopened(shop, 3)
  })
})

/** A marker that names another store, with a checksum that fits. */
function otherStoreId(content: string): string {
  return content.replace(/"storeId": "([0-9a-f]{16})"/, '"storeId": "ffffffffffffffff"')
}
