/**
 * Pulls that wait for messages, parked by queue. Each ends exactly once: answered, timed out, aborted or refused. Nothing
 * polls; whoever appends to a queue wakes what is parked on it in the same turn.
 */
import type { Clock } from '../model/clock.ts'
import type { PullRequest } from '../model/engine.ts'
import type { PullResult } from '../model/results.ts'
import type { QueueLog } from '../store/queue-log.ts'
import { Deadlines } from './deadlines.ts'
import { pullResult } from './read-messages.ts'

/** How long a pull goes on waiting after its filter let something not pass. */
const PASSED_OVER_MS = 100

/** A pull that waits. */
export interface ParkedPull {
  readonly log: QueueLog
  readonly request: PullRequest
  /** Where to look on; beyond the requested offset when the filter let nothing of what came pass. */
  readonly offset: number
  /** The filter let nothing pass before this offset: the pull says so soon, once for all that comes until then. */
  readonly passOver: (nextOffset: number) => void
  /** Ends the wait; a promise counts as its outcome. */
  readonly answer: (result: PullResult | Promise<PullResult>) => void
  readonly refuse: (error: unknown) => void
}

export class Waiters {
  readonly #deadlines: Deadlines<ParkedPull>

  readonly #parked = new Map<QueueLog, Set<ParkedPull>>()

  constructor(clock: Clock) {
    this.#deadlines = new Deadlines(clock, timeOut)
  }

  /** Waits until the pull is answered, or for `suspendMs`. */
  park(log: QueueLog, request: PullRequest): Promise<PullResult> {
    return new Promise((resolve, reject) => {
      const { signal, suspendMs } = request
      const abort = (): void => pull.answer(pullResult('NO_NEW_MSG', log, pull.offset))
      const end = (): void => {
        this.#remove(pull)
        this.#deadlines.delete(pull, suspendMs)
        this.#deadlines.delete(pull, PASSED_OVER_MS)
        signal?.removeEventListener('abort', abort)
      }
      const pull = {
        log,
        request,
        offset: request.offset,
        passOver: (nextOffset: number): void => {
          if (pull.offset === request.offset) this.#hurry(pull)
          pull.offset = nextOffset
        },
        answer: (result: PullResult | Promise<PullResult>): void => {
          end()
          resolve(result)
        },
        refuse: (error: unknown): void => {
          end()
          reject(error)
        },
      }
      this.#add(pull)
      this.#deadlines.add(pull, suspendMs)
      signal?.addEventListener('abort', abort)
    })
  }

  /** What is parked on a queue; it may end while it is being gone through. */
  on(log: QueueLog): Iterable<ParkedPull> | undefined {
    return this.#parked.get(log)
  }

  /** All that is parked; it may end while it is being gone through. */
  *all(): Iterable<ParkedPull> {
    for (const pulls of this.#parked.values()) yield* pulls
  }

  /** Refuses everything that is parked. */
  close(error: Error): void {
    for (const pull of this.all()) pull.refuse(error)
    this.#deadlines.close()
  }

  /** A wait that would end sooner anyway is left to end. */
  #hurry(pull: ParkedPull): void {
    if (pull.request.suspendMs > PASSED_OVER_MS) this.#deadlines.add(pull, PASSED_OVER_MS)
  }

  #add(pull: ParkedPull): void {
    const pulls = this.#parked.get(pull.log)
    if (pulls === undefined) this.#parked.set(pull.log, new Set([pull]))
    else pulls.add(pull)
  }

  #remove(pull: ParkedPull): void {
    const pulls = this.#parked.get(pull.log)
    if (pulls?.delete(pull) && pulls.size === 0) this.#parked.delete(pull.log)
  }
}

function timeOut(pull: ParkedPull): void {
  const status = pull.offset > pull.request.offset ? 'NO_MATCHED_MSG' : 'NO_NEW_MSG'
  pull.answer(pullResult(status, pull.log, pull.offset))
}
