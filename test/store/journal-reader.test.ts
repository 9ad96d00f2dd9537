import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFact } from '../../src/store/fact-format.ts'
import {
  encodeSegmentHeader,
  FRAME_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentName,
  writeFrameHeader,
} from '../../src/store/journal-format.ts'
import { type JournalScan, scanJournal } from '../../src/store/journal-reader.ts'
import { ScriptedFiles } from './scripted-medium.ts'

const STORE_ID = 0x1234n

interface FrameFields {
  readonly seq: number
  readonly flushedSeq?: number
  readonly factCount?: number
}

/** A frame of facts that delete topics; their uids are their sequence numbers. */
function frame({ seq, flushedSeq = 0, factCount = 1 }: FrameFields): Buffer {
  const facts = Array.from({ length: factCount }, (_, i) =>
    encodeFact({ type: 'topic-delete', uid: seq + i }),
  )
  const bytes = Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), ...facts])
  writeFrameHeader([bytes], { bytes: bytes.length, factCount, seq, flushedSeq, startsSlice: seq % 2 === 1 })
  return bytes
}

function segment(firstSeq: number, previousSeq: number, ...frames: Buffer[]): Buffer {
  return Buffer.concat([
    encodeSegmentHeader({ version: 1, storeId: STORE_ID, firstSeq, previousSeq }),
    ...frames,
  ])
}

/** Scans segments that are numbered from 1. */
async function scan(...segments: Buffer[]): Promise<JournalScan> {
  const files = new ScriptedFiles()
  for (const [i, bytes] of segments.entries()) files.put(segmentName(i + 1), bytes)
  files.put('journal/notes.txt', Buffer.from('not ours'))
  return scanJournal(files, 1)
}

const seqs = (frames: JournalScan['frames']) => frames.map(({ seq }) => seq)

describe('Scanning the journal', () => {
  test('of an empty folder finds nothing', async () => {
    expect(await scan()).toMatchObject({
      segments: [],
      frames: [],
      broken: undefined,
      startsAfterSeq: undefined,
    })
  })

  test('finds all frames in order, through all segments', async () => {
    const found = await scan(
      segment(5, 4, frame({ seq: 5, factCount: 3 }), frame({ seq: 8 })),
      segment(9, 8, frame({ seq: 9, flushedSeq: 8 })),
    )
    expect(seqs(found.frames)).toEqual([5, 8, 9])
    expect(found).toMatchObject({
      broken: undefined,
      startsAfterSeq: 4,
      storeId: STORE_ID,
      unknownVersion: undefined,
    })
    expect(found.frames[0]?.facts).toHaveLength(3)
    expect(found.frames.map(({ startsSlice }) => startsSlice)).toEqual([true, false, true])
    expect(found.segments.map(({ lastSeq }) => lastSeq)).toEqual([8, 9])
  })

  test('accepts a gap in the numbers where a segment says that it begins behind one', async () => {
    const found = await scan(segment(1, 0, frame({ seq: 1 })), segment(1000, 1, frame({ seq: 1000 })))
    expect(found.broken).toBeUndefined()
    expect(seqs(found.frames)).toEqual([1, 1000])
  })

  test('ends at the torn tail, whatever byte it is torn at', async () => {
    const whole = segment(1, 0, frame({ seq: 1 }), frame({ seq: 2 }))
    const start = whole.length - frame({ seq: 2 }).length
    for (let end = start + 1; end < whole.length; end++) {
      const found = await scan(whole.subarray(0, end))
      expect(seqs(found.frames)).toEqual([1])
      expect(found.broken).toMatchObject({
        segment: 1,
        position: start,
        missingSeq: 2,
        resumesAtSeq: undefined,
        bytes: end - start,
      })
    }
  })

  test('takes a segment without a header, or an empty one, as a torn tail', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(SEGMENT_HEADER_BYTES - 1), Buffer.alloc(100, 7)]) {
      const found = await scan(segment(1, 0, frame({ seq: 1 })), bytes)
      expect(seqs(found.frames)).toEqual([1])
      expect(found.broken).toMatchObject({
        segment: 2,
        position: 0,
        missingSeq: 2,
        flushedSeq: 0,
        bytes: bytes.length,
      })
    }
  })

  test('finds what is sound behind a break, and how far it knows the journal to be flushed', async () => {
    const damaged = frame({ seq: 2 })
    damaged[20] = 0xff
    const found = await scan(
      segment(1, 0, frame({ seq: 1 }), damaged, frame({ seq: 3, flushedSeq: 1 })),
      segment(4, 3, frame({ seq: 4, flushedSeq: 3 })),
    )
    expect(seqs(found.frames)).toEqual([1])
    expect(seqs(found.framesBehindBreak)).toEqual([3, 4])
    expect(found.broken).toMatchObject({ missingSeq: 2, resumesAtSeq: 3, flushedSeq: 3 })
  })

  test('finds frames behind a break wherever they begin', async () => {
    const noise = Buffer.from('PMQPMQFPMQ')
    const found = await scan(segment(1, 0, frame({ seq: 1 }), noise, frame({ seq: 4 })))
    expect(seqs(found.framesBehindBreak)).toEqual([4])
  })

  test('takes a frame with a number that does not follow as a break, not as the next frame', async () => {
    const found = await scan(segment(1, 0, frame({ seq: 1 }), frame({ seq: 3 })))
    expect(found.broken).toMatchObject({ missingSeq: 2, resumesAtSeq: 3 })
  })

  test('takes an old frame behind a break for what it is: old', async () => {
    const found = await scan(segment(10, 9, frame({ seq: 10 }), Buffer.alloc(5), frame({ seq: 3 })))
    expect(found.framesBehindBreak).toEqual([])
  })

  test('notices a missing segment by the number that the next one continues from', async () => {
    const found = await scan(
      segment(1, 0, frame({ seq: 1 })),
      segment(7, 6, frame({ seq: 7, flushedSeq: 6 })),
    )
    expect(found.broken).toMatchObject({ segment: 2, missingSeq: 2, resumesAtSeq: 7, flushedSeq: 6 })
  })

  test('tells a segment of a newer release', async () => {
    const newer = encodeSegmentHeader({ version: 2, storeId: STORE_ID, firstSeq: 1, previousSeq: 0 })
    expect((await scan(newer)).unknownVersion).toBe(2)
  })

  test('never invents a frame: what it finds in changed bytes was written there', async () => {
    const whole = segment(1, 0, ...Array.from({ length: 6 }, (_, i) => frame({ seq: 1 + i, flushedSeq: i })))
    const flip = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(flip, { minLength: 1, maxLength: 4 }),
        fc.nat(whole.length),
        async (flips, length) => {
          const changed = Buffer.from(whole.subarray(0, length))
          for (const { at, to } of flips) if (at < length) changed[at] = to
          const found = await scan(changed)
          const all = [...seqs(found.frames), ...seqs(found.framesBehindBreak)]
          expect(all).toEqual([...new Set(all)].sort((a, b) => a - b))
          for (const each of [...found.frames, ...found.framesBehindBreak]) {
            expect(each.facts).toEqual([{ type: 'topic-delete', uid: each.seq }])
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})
