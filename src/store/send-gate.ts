/**
 * Back-pressure for sends: while too many bytes are acknowledged and not yet in the databases, sends wait in the order they
 * came, up to their timeout. What waits is bounded too; beyond it a send is refused at once.
 */
import type { Clock, Timer } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'

/** A send that waits for room. */
interface Waiting {
  readonly bytes: number
  readonly deadlineMs: number
  readonly enter: () => void
  readonly reject: (error: MQError) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: () => void
}

export class SendGate {
  readonly #clock: Clock
  readonly #hasRoom: () => boolean
  readonly #maxWaitingBytes: number
  /** In the order they came; a set, since any of many may leave. */
  readonly #waiting = new Set<Waiting>()
  #waitingBytes = 0
  #timer: Timer | undefined
  #timerDeadlineMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, hasRoom: () => boolean, maxWaitingBytes: number) {
    this.#clock = clock
    this.#hasRoom = hasRoom
    this.#maxWaitingBytes = maxWaitingBytes
  }

  /** Whether a send may go on now; nobody overtakes those that wait. */
  get isOpen(): boolean {
    return this.#waiting.size === 0 && this.#hasRoom()
  }

  /** Waits for room, then calls `enter`; or calls `reject` when the timeout or the signal comes first. */
  wait(
    bytes: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    enter: () => void,
    reject: (error: MQError) => void,
  ): void {
    if (this.#waitingBytes + bytes > this.#maxWaitingBytes) {
      reject(
        notAttempted(
          'SYSTEM_BUSY',
          `${this.#waitingBytes} bytes of sends wait for room already; send slower or await the sends.`,
        ),
      )
      return
    }
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs
    const onAbort = (): void =>
      this.#leave(waiting, notAttempted('ABORTED', 'The send was aborted while it waited for room.'))
    const waiting: Waiting = { bytes, deadlineMs, enter, reject, signal, onAbort }
    listen(signal, onAbort)
    this.#waiting.add(waiting)
    this.#waitingBytes += bytes
    this.#setTimer(deadlineMs)
  }

  /** Lets in whoever has room now. */
  admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom()) return
      this.#forget(waiting)
      waiting.enter()
    }
  }

  /** Refuses all that wait; not those that come because of it. */
  refuse(error: MQError): void {
    for (const waiting of [...this.#waiting]) this.#leave(waiting, error)
  }

  #leave(waiting: Waiting, error: MQError): void {
    if (!this.#waiting.has(waiting)) return
    this.#forget(waiting)
    waiting.reject(error)
  }

  #forget(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    this.#waitingBytes -= waiting.bytes
    unlisten(waiting.signal, waiting.onAbort)
  }

  /** One timer for all: for the earliest deadline. */
  #setTimer(deadlineMs: number): void {
    if (deadlineMs >= this.#timerDeadlineMs) return
    this.#timer?.cancel()
    this.#timerDeadlineMs = deadlineMs
    this.#timer = this.#clock.setTimer(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () =>
      this.#expire(),
    )
  }

  #expire(): void {
    this.#timerDeadlineMs = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonicMs()
    for (const waiting of [...this.#waiting]) {
      if (waiting.deadlineMs > now) continue
      this.#leave(
        waiting,
        notAttempted(
          'SEND_TIMEOUT',
          'The send waited for room longer than its timeout; nothing was written.',
        ),
      )
    }
    let earliest = Number.POSITIVE_INFINITY
    for (const { deadlineMs } of this.#waiting) if (deadlineMs < earliest) earliest = deadlineMs
    if (Number.isFinite(earliest)) this.#setTimer(earliest)
  }
}

function notAttempted(code: 'SYSTEM_BUSY' | 'ABORTED' | 'SEND_TIMEOUT', message: string): MQError {
  return new MQError(code, message, { outcome: 'not-attempted' })
}
