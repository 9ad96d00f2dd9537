/**
 * Healing after a rejected LevelDB write: close, open again, replay the journal. Sends go on meanwhile as long as the
 * journal has room; reading from the databases waits. A full disk may take a while, so there is a back-off.
 */
import type { Clock } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { AppliedState } from './applied-state.ts'
import type { Databases } from './databases.ts'
import { loadIndex } from './index-loader.ts'
import { JOURNAL_VERSION } from './journal-format.ts'
import { lastSeqOf, scanJournal } from './journal-reader.ts'
import type { Files } from './medium.ts'
import { replay } from './recovery.ts'

const FIRST_DELAY_MS = 50
const LONGEST_DELAY_MS = 5000

interface HealContext {
  readonly databases: Databases
  readonly files: Files
  readonly clock: Clock
  /** The end of the slice that was rejected: what lies behind is the applier's. */
  readonly untilSeq: number
  /** The store is being closed, or failed for another reason: stop trying. */
  givenUp(): boolean
}

/** Resolves with the state of the databases when they hold all that the applier meant them to hold. */
export async function healDatabases(context: HealContext): Promise<AppliedState> {
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
    try {
      return await reopen(context)
    } catch (cause) {
      if (context.givenUp())
        throw new MQError('STORE_FAILED', 'The databases could not be opened again before close.', { cause })
      await new Promise<void>((resolve) => context.clock.setTimer(delayMs, resolve))
    }
  }
}

async function reopen({ databases, files, untilSeq }: HealContext): Promise<AppliedState> {
  await databases.close().catch(() => undefined)
  await databases.open(false)
  const loaded = await loadIndex(databases.index)
  const scan = await scanJournal(files, JOURNAL_VERSION)
  await replay(
    databases,
    loaded,
    scan.frames.filter((frame) => lastSeqOf(frame) <= untilSeq),
  )
  return loaded.state
}
