/**
 * Readers in a line and queues with messages: who came first is served first, and queues take turns. Readers that come back at
 * once live on microtasks, so only so many are served in one turn of the event loop.
 */
import type { Clock, Timer } from '../model/clock.ts'
import type { MQError } from '../model/errors.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import type { Handout, LiteQueue } from './lite-queue.ts'
import { TurnBudget } from './turn-budget.ts'

/** How long to wait, and for what. */
export interface ReadRequest {
  readonly maxCount: number
  /** `Infinity` waits until there is something, or the line ends. */
  readonly timeoutMs: number
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
}

interface Reader {
  readonly maxCount: number
  readonly settle: (handout: Handout | undefined) => void
  readonly refuse: (error: MQError) => void
}

export class PollLine {
  readonly #clock: Clock
  readonly #budget: TurnBudget

  readonly #readers = new Set<Reader>()
  /** Queues that may have messages; the first is next. */
  readonly #ready = new Set<LiteQueue>()
  #isEnded = false
  #endError: MQError | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#budget = new TurnBudget(clock, () => this.#serve())
  }

  /** This queue has messages to take. */
  offer(queue: LiteQueue): void {
    this.#ready.add(queue)
    this.#serve()
  }

  /** Messages of one queue; `undefined` when there were none in time, or when the line has ended. */
  read({ maxCount, timeoutMs, signal }: ReadRequest): Promise<Handout | undefined> {
    if (this.#endError !== undefined) return Promise.reject(this.#endError)
    if (this.#isEnded || signal?.aborted === true) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const end = (): void => {
        this.#readers.delete(reader)
        timer?.cancel()
        unlisten(signal, leave)
      }
      const reader: Reader = {
        maxCount,
        settle: (handout) => {
          end()
          resolve(handout)
        },
        refuse: (error) => {
          end()
          reject(error)
        },
      }
      const leave = (): void => reader.settle(undefined)
      this.#readers.add(reader)
      this.#serve()
      if (!this.#readers.has(reader)) return
      listen(signal, leave)
      if (timeoutMs === 0) this.#endSoon(leave)
      else if (timeoutMs !== Infinity) timer = this.#clock.setTimer(timeoutMs, leave)
    })
  }

  /** Messages of one queue that are there for whoever comes now; `undefined` when it is not as simple as that, so `read`. */
  readNow(maxCount: number): Handout | undefined {
    if (this.#isEnded || this.#readers.size > 0) return undefined
    const queue = this.#nextQueue()
    return queue !== undefined && this.#budget.take() ? this.#takeFrom(queue, maxCount) : undefined
  }

  /** Lets everybody go who waits or comes, with an error if it is given. */
  end(error?: MQError): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#endError = error
    for (const reader of this.#readers) {
      if (error === undefined) reader.settle(undefined)
      else reader.refuse(error)
    }
  }

  /** What is there may have to wait for the next turn, and gets that turn before the reader leaves. */
  #endSoon(leave: () => void): void {
    if (this.#nextQueue() === undefined) leave()
    else this.#clock.defer(leave)
  }

  #serve(): void {
    for (const reader of this.#readers) {
      const queue = this.#nextQueue()
      if (queue === undefined || !this.#budget.take()) return
      reader.settle(this.#takeFrom(queue, reader.maxCount))
    }
  }

  #takeFrom(queue: LiteQueue, maxCount: number): Handout | undefined {
    this.#ready.delete(queue)
    this.#ready.add(queue)
    return queue.take(maxCount)
  }

  /** The queue whose turn it is; forgets those that have nothing left. */
  #nextQueue(): LiteQueue | undefined {
    for (const queue of this.#ready) {
      if (queue.waitingCount > 0) return queue
      this.#ready.delete(queue)
    }
    return undefined
  }
}
