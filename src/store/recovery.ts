/**
 * Opens what a store left behind. The numbers are those of docs/recovery.md.
 *
 * The journal keeps every frame that the databases do not hold durably, so recovery replays all of it into both databases:
 * rows are put again under the same keys, which mends whatever LevelDB lost of what was not flushed. Afterwards the
 * databases are complete, the old segments go, and a new one begins.
 */
import { MQError } from '../model/errors.ts'
import { type AppliedState, latestStoreTimestamp } from './applied-state.ts'
import { applyFact, finishSlice } from './apply.ts'
import type { Databases } from './databases.ts'
import type { FrameStart } from './frame.ts'
import { checkSummary, type LoadedIndex, loadIndex } from './index-loader.ts'
import { JOURNAL_VERSION, segmentName } from './journal-format.ts'
import {
  type JournalBreak,
  type JournalFrame,
  type JournalScan,
  lastSeqOf,
  listSegments,
  scanJournal,
} from './journal-reader.ts'
import { logKey, parseLogKey } from './keyspace.ts'
import type { Marker } from './marker.ts'
import type { Files } from './medium.ts'
import { emptySlice, type Slice } from './slice.ts'

/** Sequence numbers left out after an unclean end, so that none is ever used twice. */
const SEQ_GAP = 1_000_000

/** What recovery found and did. */
export interface RecoveryReport {
  /** The store had been closed properly. */
  readonly clean: boolean
  /** Commit groups that were replayed from the journal. */
  readonly replayedFrameCount: number
  /** Bytes of unfinished writes at the end of the journal, which nobody was told are safe. */
  readonly tornBytes: number
  /** What LevelDB said it dropped, and what else an operator should know. */
  readonly warnings: readonly string[]
}

export interface Recovered {
  readonly state: AppliedState
  readonly report: RecoveryReport
  readonly nextSeq: number
  readonly lastSeq: number
  /** The number for the next journal segment. */
  readonly nextSegment: number
  /** Segments that hold nothing more. */
  readonly oldSegments: readonly number[]
}

/** Brings the databases up to date and says what to continue with. Throws `STORE_CORRUPTED` when something is missing. */
export async function recover(files: Files, databases: Databases, marker: Marker): Promise<Recovered> {
  // 4. Read the journal; 5. judge what is broken in it.
  const numbers = await listSegments(files)
  const scan = await scanJournal(files, JOURNAL_VERSION, marker.firstSegment)
  checkHeader(scan, marker)
  // 6. Load the small tables of the index.
  const loaded = await loadIndex(databases.index)
  const { state } = loaded
  const clean = marker.state === 'clean'
  const warnings = [...(await databases.damageReport())]
  if (clean) checkClean(state, marker, warnings)
  const frames = clean ? [] : judgeFrames(scan, state, warnings)
  const lastSeq = Math.max(state.applied, ...frames.slice(-1).map(lastSeqOf))
  // 7. Cut the torn tail off, so that no later recovery takes it for damage, and flush what is replayed.
  if (!clean) await settleJournal(files, scan, state)
  // 8. Replay.
  await replay(databases, loaded, frames)
  await checkLogEnd(databases, state)
  await databases.barrier()
  return {
    state,
    report: {
      clean,
      replayedFrameCount: frames.length,
      tornBytes: clean ? 0 : (scan.broken?.bytes ?? 0),
      warnings,
    },
    nextSeq: clean ? lastSeq + 1 : highestSeqOf(scan, lastSeq) + 1 + SEQ_GAP,
    lastSeq,
    nextSegment: Math.max(marker.firstSegment, ...numbers) + 1,
    oldSegments: numbers,
  }
}

/** What the numbering of frames goes on from. */
export function frameStartOf({ state, nextSeq }: Recovered): FrameStart {
  return {
    nextSeq,
    generation: state.generations.at(-1)?.generation ?? state.trimmedGeneration,
    logBytes: state.logBytes,
    lastTimestamp: latestStoreTimestamp(state),
  }
}

/** A segment may begin far above the last frame: an earlier recovery left numbers out, and frames behind them may be lost. */
function highestSeqOf(scan: JournalScan, lastSeq: number): number {
  return Math.max(lastSeq, ...scan.segments.map((segment) => segment.lastSeq))
}

/**
 * Puts the rows of frames again, slice by slice as they were applied, or would have been. Frames before the first one that
 * begins a slice are the end of a slice whose beginning was let go: the databases durably hold all of it. The index must
 * have what its summary counted as soon as everything up to the summary is there again; until then that summary stays, and
 * must outlast a power cut.
 */
export async function replay(
  databases: Databases,
  loaded: LoadedIndex,
  frames: readonly JournalFrame[],
): Promise<void> {
  const { state, summary } = loaded
  let slice: Slice | undefined
  let isChecked = false
  await databases.barrier()
  for (const frame of frames) {
    if (frame.startsSlice) {
      await finish(databases, state, slice, isChecked)
      slice = emptySlice()
      if (!isChecked && frame.seq > (summary?.applied ?? 0)) {
        checkSummary(loaded)
        isChecked = true
      }
    }
    if (slice === undefined) continue
    for (const [i, fact] of frame.facts.entries()) applyFact(state, slice, fact, frame.seq + i)
  }
  await finish(databases, state, slice, isChecked)
  if (!isChecked) checkSummary(loaded)
}

async function finish(
  databases: Databases,
  state: AppliedState,
  slice: Slice | undefined,
  isSummarized: boolean,
): Promise<void> {
  if (slice === undefined) return
  finishSlice(state, slice, isSummarized)
  await databases.write(slice)
}

function checkHeader(scan: JournalScan, marker: Marker): void {
  if (scan.unknownVersion !== undefined) {
    throw new MQError(
      'VERSION_NOT_SUPPORTED',
      `The journal has format ${scan.unknownVersion}; use a newer release of pocketmq.`,
    )
  }
  if (scan.storeId !== undefined && scan.storeId !== BigInt(`0x${marker.storeId}`)) {
    throw new MQError(
      'STORE_CORRUPTED',
      'The journal belongs to another store; restore the whole directory from one backup.',
    )
  }
}

/** After a clean end everything was flushed: nothing may be missing, and LevelDB may have dropped nothing. */
function checkClean(state: AppliedState, marker: Marker, warnings: readonly string[]): void {
  if (state.applied !== marker.lastSeq) {
    throw new MQError(
      'STORE_CORRUPTED',
      `The store was closed at sequence number ${marker.lastSeq}, but its index ends at ${state.applied}: it lost what is between.`,
    )
  }
  if (warnings.length > 0) {
    throw new MQError(
      'STORE_CORRUPTED',
      `LevelDB found damage in a store that was closed properly: ${warnings.join('; ')}.`,
    )
  }
}

/** Which frames to replay; throws when some are missing that must be there. */
function judgeFrames(scan: JournalScan, state: AppliedState, warnings: string[]): readonly JournalFrame[] {
  const startsAfter = scan.startsAfterSeq
  if (startsAfter === undefined) throw missing(state.applied + 1, undefined, 'The journal is gone')
  if (startsAfter > state.applied)
    throw missing(state.applied + 1, startsAfter, 'The databases end before the journal begins')
  if (scan.broken !== undefined && !isTornTail(scan.broken, state)) {
    return judgeBehindBreak(scan, scan.broken, state, warnings)
  }
  const last = Math.max(startsAfter, ...scan.frames.slice(-1).map(lastSeqOf))
  if (last < state.applied) throw missing(last + 1, state.applied, 'The journal ends before the databases')
  return scan.frames
}

/** Whether nothing behind the break was ever known to be flushed, nor is in the databases. */
function isTornTail(broken: JournalBreak, state: AppliedState): boolean {
  return broken.missingSeq > Math.max(broken.flushedSeq, state.applied)
}

/**
 * The journal is damaged: what is missing must be in the databases, and what follows is replayed, in whole slices. What lies
 * before the damage is in the databases too, and is not replayed: it would undo what the missing facts did.
 */
function judgeBehindBreak(
  scan: JournalScan,
  broken: JournalBreak,
  state: AppliedState,
  warnings: string[],
): readonly JournalFrame[] {
  let kept = [...scan.frames]
  let next = broken.missingSeq
  let isWhole = true
  for (const frame of scan.framesBehindBreak) {
    if (frame.seq > next) {
      // A second break that nobody knows to be flushed: the torn end.
      if (next > Math.max(broken.flushedSeq, state.applied)) return kept
      const until = frame.seq - 1
      if (until > state.applied) throw missing(next, until, 'The journal is damaged')
      warnings.push(
        `The journal is damaged from sequence number ${next} to ${until}; the databases hold these.`,
      )
      kept = []
      isWhole = false
    }
    isWhole ||= frame.startsSlice
    if (isWhole) kept.push(frame)
    next = lastSeqOf(frame) + 1
  }
  if (next <= Math.max(broken.flushedSeq, state.applied))
    throw missing(next, undefined, 'The journal is damaged')
  return kept
}

/**
 * What outlived a process may not outlive a power cut yet, and no database may be ahead of the journal. Damage stays: the
 * frames behind it are needed.
 */
async function settleJournal(
  files: Files,
  { segments, broken }: JournalScan,
  state: AppliedState,
): Promise<void> {
  const isTorn = broken !== undefined && isTornTail(broken, state)
  for (const segment of segments) {
    const name = segmentName(segment.number)
    if (isTorn && segment.endPosition === 0) await files.remove(name)
    else await files.truncate(name, isTorn ? segment.endPosition : segment.bytes)
  }
}

/** The index names the last batch; the commit log must end with it. */
async function checkLogEnd(databases: Databases, state: AppliedState): Promise<void> {
  const [last] = await databases.log.level.keys({ reverse: true, limit: 1 }).all()
  const found = last === undefined ? 0 : parseLogKey(last)
  const trimmed = state.lastLogSeq < state.trimmedBeforeSeq
  if (found === state.lastLogSeq || trimmed) return
  const known = await databases.log.level.has(logKey(state.lastLogSeq))
  throw new MQError(
    'STORE_CORRUPTED',
    known
      ? `The commit log holds ${found}, which the index does not know; it should end at ${state.lastLogSeq}.`
      : `The commit log ends at ${found} and should end at ${state.lastLogSeq}: it lost what is between.`,
  )
}

function missing(fromSeq: number, toSeq: number | undefined, what: string): MQError {
  const range = toSeq === undefined || toSeq < fromSeq ? `from ${fromSeq} on` : `${fromSeq} to ${toSeq}`
  return new MQError(
    'STORE_CORRUPTED',
    `${what}: sequence numbers ${range} are missing. Restore the directory from a backup.`,
  )
}
