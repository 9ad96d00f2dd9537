/**
 * Why messages were given back, until they are delivered again or become dead letters. In memory only: an alarm has no room for
 * words, and after a restart nobody knows that its message was given back.
 */

/** Characters of a reason that are kept. */
const REASON_MAX_LENGTH = 1024
/** Below this many it is not worth looking which ones are of no use any more. */
const SWEEP_MIN_COUNT = 1024

export const NOT_ACKNOWLEDGED = 'It was received, and not acknowledged before its time was over.'

/** What is told of a message that was given back. */
export function givenBack(reason: string | undefined): string {
  return reason === undefined ? 'It was given back.' : reason.slice(0, REASON_MAX_LENGTH)
}

export class NackReasons {
  readonly #isAlarm: (alarmId: number) => boolean
  readonly #reasons = new Map<number, string>()
  #sweepCount = SWEEP_MIN_COUNT

  constructor(isAlarm: (alarmId: number) => boolean) {
    this.#isAlarm = isAlarm
  }

  get(alarmId: number): string | undefined {
    return this.#reasons.get(alarmId)
  }

  /** Of an alarm that is about to be set. */
  add(alarmId: number, reason: string): void {
    if (this.#reasons.size >= this.#sweepCount) this.#sweep()
    this.#reasons.set(alarmId, reason)
  }

  /** Each sweep goes through at most twice as many as were added since the last one. */
  #sweep(): void {
    for (const id of this.#reasons.keys()) if (!this.#isAlarm(id)) this.#reasons.delete(id)
    this.#sweepCount = Math.max(SWEEP_MIN_COUNT, 2 * this.#reasons.size)
  }
}
