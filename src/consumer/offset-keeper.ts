/**
 * Commits how far a group has consumed one queue: the lowest unfinished offset, so that nothing unfinished is skipped.
 * The progress of a whole turn of the event loop becomes one update, and at most one update is under way.
 */
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'

/** How long a failed update waits for its next attempt. */
const RETRY_DELAY_MS = 1000

/** Whose offset is kept. */
export interface OffsetSource {
  readonly queue: MessageQueue
  readonly committableOffset: number
}

export interface OffsetKeeperHost {
  readonly engine: Engine
  readonly group: string
  /** The broadcasting member whose offset it is; absent for that of the group. */
  readonly offsetOwner?: string | undefined
  onError(error: MQError): void
}

export class OffsetKeeper {
  readonly #host: OffsetKeeperHost
  readonly #source: OffsetSource

  #committedOffset: number
  /** The application chose where to go on, so the next commit may be lower than what is stored. */
  #mayGoBack: boolean
  #isBusy = false
  #isClosed = false
  #isOver = false
  #isDiscarded = false
  #underWay: Promise<void> = Promise.resolve()
  #retryTimer: Timer | undefined

  /** `committedOffset` is what the engine has stored; -1 when it has nothing, or when that counts no more. */
  constructor(host: OffsetKeeperHost, source: OffsetSource, committedOffset: number, mayGoBack = false) {
    this.#host = host
    this.#source = source
    this.#committedOffset = committedOffset
    this.#mayGoBack = mayGoBack
  }

  /** The source moved on: commit in the next turn, or when the update that is under way is done. */
  onProgress(): void {
    if (this.#isBusy || this.#isClosed) return
    this.#isBusy = true
    this.#host.engine.clock.defer(this.#commitSoon)
  }

  /**
   * Commits an offset that the application chose, back or forth; rejects when that fails. Once the last commit is made it
   * does nothing: whoever has the queue next goes on from there.
   */
  commit(offset: number): Promise<void> {
    if (this.#isOver) return this.#underWay
    const committing = this.#underWay.then(() => {
      if (offset < this.#committedOffset) this.#mayGoBack = true
      return this.#store(offset)
    })
    this.#underWay = committing.catch(() => undefined)
    return committing
  }

  /** Commits for the last time; resolves when that is stored or has failed. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#retryTimer?.cancel()
    this.#underWay = this.#underWay.then(() => this.#update()).catch((error: unknown) => this.#report(error))
    // What the application commits meanwhile is stored before somebody else gets the queue.
    for (let last: Promise<void> | undefined; last !== this.#underWay; ) {
      last = this.#underWay
      await last
    }
    this.#isOver = true
  }

  /** Commits nothing more, not by `close` either: the offset is somebody else's affair now. */
  discard(): void {
    this.#isDiscarded = true
    this.#isClosed = true
    this.#retryTimer?.cancel()
  }

  readonly #commitSoon = (): void => {
    if (!this.#isClosed) this.#underWay = this.#underWay.then(() => this.#commit())
  }

  async #commit(): Promise<void> {
    try {
      await this.#update()
    } catch (error) {
      this.#report(error)
      if (!this.#isClosed)
        this.#retryTimer = this.#host.engine.clock.setTimer(RETRY_DELAY_MS, this.#commitSoon)
      return
    }
    this.#isBusy = false
    if (this.#source.committableOffset > this.#committedOffset) this.onProgress()
  }

  async #update(): Promise<void> {
    const { committableOffset } = this.#source
    if (!this.#isDiscarded && committableOffset > this.#committedOffset) await this.#store(committableOffset)
  }

  async #store(offset: number): Promise<void> {
    const { engine, group, offsetOwner } = this.#host
    await engine.updateConsumerOffset(group, this.#source.queue, offset, this.#mayGoBack, offsetOwner)
    this.#committedOffset = offset
    this.#mayGoBack = false
  }

  /** With a deleted topic its offsets are gone too, so that one is no failure. */
  #report(caught: unknown): void {
    const error = MQError.from(caught)
    if (error.code !== 'TOPIC_NOT_EXIST') this.#host.onError(error)
  }
}
