/**
 * What polls returned and the application has not come back from. When it comes back that is done, and committed if it is time:
 * so a crash repeats what was being worked on, and at most one interval more.
 */
import type { Clock } from '../model/clock.ts'
import type { Handout } from './lite-queue.ts'

export interface ConfirmationsHost {
  readonly clock: Clock
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  /** Commits what is done, soon. */
  commitProgress(): void
}

export class Confirmations {
  readonly #host: ConfirmationsHost

  #open: Handout[] = []
  /** Monotonic time; the first poll commits, so that a group has an offset from then on. */
  #nextCommitMs = Number.NEGATIVE_INFINITY

  constructor(host: ConfirmationsHost) {
    this.#host = host
  }

  /** These were handed out. */
  add(...handouts: readonly Handout[]): void {
    this.#open.push(...handouts)
  }

  /** The application came back. */
  confirm(): void {
    finishAll(this.#open.splice(0))
    const { clock, autoCommit, autoCommitIntervalMs } = this.#host
    const nowMs = clock.monotonicMs()
    if (!autoCommit || nowMs < this.#nextCommitMs) return
    this.#nextCommitMs = nowMs + autoCommitIntervalMs
    this.#host.commitProgress()
  }
}

/** The application is done with these. */
export function finishAll(handouts: readonly Handout[]): void {
  for (const handout of handouts) handout.queue.finish(handout)
}
