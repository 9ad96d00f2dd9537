/** What assertions look at, and what they answer when something is not as expected. */
import { invalidParameter } from '../../model/errors.ts'
import type { Ledger } from '../ledger.ts'
import type { TestMQ } from '../test-mq.ts'

export interface Evidence {
  readonly ledger: Ledger
  /** Virtual time, in milliseconds since 1970. */
  readonly nowTimestamp: number
  /** A last line for failures: how to run the same again. Empty when nothing was left to chance. */
  readonly replayLines: readonly string[]
}

/** Something is not as expected. */
export interface Failure {
  readonly message: string
  /** Both sides, for a framework to show where they differ. */
  readonly expected: unknown
  readonly actual: unknown
}

/** Throws `INVALID_PARAMETER` for anything but a test instance. */
export function evidenceOf(mq: TestMQ): Evidence {
  // Not by its class: frameworks that isolate modules may have loaded it twice.
  if (typeof mq?.ledger?.contentOf !== 'function')
    throw invalidParameter('Give the instance that createTestMQ answered, whose ledger is looked at.')
  const { ledger, clock, seed, usesChance } = mq
  const replayLines = usesChance ? [`Chance had a part in this: seed ${seed} replays it.`] : []
  return { ledger, nowTimestamp: clock.now(), replayLines }
}
