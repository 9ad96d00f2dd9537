import { describe, expect, test } from 'vitest'
import { encodeFact } from '../../src/store/fact-format.ts'
import { Journal } from '../../src/store/journal.ts'
import { FRAME_HEADER_BYTES, writeFrameHeader } from '../../src/store/journal-format.ts'
import { scanJournal } from '../../src/store/journal-reader.ts'
import { mqError } from '../helpers/expect-error.ts'
import { holdFlushes, ScriptedFiles } from './scripted-medium.ts'

const MIB = 1024 * 1024

async function openJournal() {
  const files = new ScriptedFiles()
  const journal = await Journal.open(files, { storeId: 7n, segmentNumber: 1, previousSeq: 0, firstSeq: 1 })
  return { files, journal }
}

/** A frame with one large fact. */
function frameOf(seq: number, payloadBytes = 32, flushedSeq = 0): Buffer {
  const fact = encodeFact({ type: 'append', bytes: Buffer.alloc(payloadBytes, seq) })
  const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), fact])
  writeFrameHeader([bytes], { bytes: bytes.length, factCount: 1, seq, flushedSeq, startsSlice: true })
  return bytes
}

function write(journal: Journal, seq: number, payloadBytes?: number): void {
  const bytes = frameOf(seq, payloadBytes)
  journal.writeSync([bytes], bytes.length, seq)
}

/** Lets what the journal does in the background happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

async function seqsIn(files: ScriptedFiles): Promise<number[]> {
  const { frames, broken } = await scanJournal(files, 1)
  // A segment made ready for later is empty.
  expect(broken?.bytes ?? 0).toBe(0)
  return frames.map(({ seq }) => seq)
}

describe('The journal', () => {
  test('begins with a flushed header, and knows what is written and what is flushed', async () => {
    const { files, journal } = await openJournal()
    expect(files.datasyncCount).toBe(1)
    write(journal, 1)
    write(journal, 2)
    expect(journal).toMatchObject({ writtenSeq: 2, flushedSeq: 0 })
    await journal.flush()
    expect(journal).toMatchObject({ writtenSeq: 2, flushedSeq: 2, writtenSinceFlushBytes: 0 })
    expect(await seqsIn(files)).toEqual([1, 2])
  })

  test('does not count as flushed what was written while the flush ran', async () => {
    const { files, journal } = await openJournal()
    write(journal, 1)
    const hold = holdFlushes(files)
    const flushing = journal.flush()
    await settle()
    write(journal, 2)
    hold.resolve()
    await flushing
    expect(journal).toMatchObject({ writtenSeq: 2, flushedSeq: 1 })
    await journal.flush()
    expect(journal.flushedSeq).toBe(2)
  })

  test('flushes nothing that is flushed already', async () => {
    const { files, journal } = await openJournal()
    write(journal, 1)
    await Promise.all([journal.flush(), journal.flush()])
    const count = files.datasyncCount
    await journal.flush()
    expect(files.datasyncCount).toBe(count)
  })

  test('cuts a failed or short write back, and writes the next frame in its place', async () => {
    const { files, journal } = await openJournal()
    write(journal, 1)
    files.beforeWrite = () => {
      throw new Error('ENOSPC')
    }
    expect(() => write(journal, 2)).toThrow(mqError('WRITE_FAILED', 'nothing of this send is stored'))
    files.beforeWrite = () => undefined
    const bytes = frameOf(2)
    expect(() => journal.writeSync([bytes], bytes.length + 1, 2)).toThrow(
      mqError('WRITE_FAILED', `${bytes.length} of`),
    )
    write(journal, 2)
    expect(await seqsIn(files)).toEqual([1, 2])
  })

  test('fails for good when a write can be neither finished nor cut back', async () => {
    const { files, journal } = await openJournal()
    files.beforeWrite = () => {
      files.put('journal/0000000001.journal', Buffer.alloc(0))
      files.get = () => {
        throw new Error('EIO')
      }
      throw new Error('ENOSPC')
    }
    expect(() => write(journal, 1)).toThrow(
      expect.objectContaining({ code: 'STORE_FAILED', outcome: 'unknown' }) as unknown as Error,
    )
  })

  test('goes on in a new segment when one is full, and lets go of those that the databases hold', async () => {
    const { files, journal } = await openJournal()
    for (let seq = 1; seq <= 80; seq++) {
      write(journal, seq, MIB)
      await settle()
      if (seq % 10 === 0) await journal.flush()
    }
    expect(files.names()).toHaveLength(6)
    expect(await seqsIn(files)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1))
    expect(journal.segmentCount).toBe(5)

    await journal.retire(10)
    expect(files.names()).toHaveLength(6)
    await journal.retire(40)
    expect(files.names()).toHaveLength(4)
    expect((await seqsIn(files))[0]).toBeGreaterThan(30)
    expect((await scanJournal(files, 1)).startsAfterSeq).toBeLessThanOrEqual(40)
  })

  test('goes on in the full segment as long as no new one can be made', async () => {
    const { files, journal } = await openJournal()
    files.createJournalFile = () => Promise.reject(new Error('ENOSPC'))
    for (let seq = 1; seq <= 20; seq++) {
      write(journal, seq, MIB)
      await settle()
    }
    expect(files.names()).toHaveLength(1)
    expect(await seqsIn(files)).toHaveLength(20)
  })
})
