/**
 * The messages of a lite pull consumer as an async iterator. One message is out at a time; it is finished when the loop comes
 * back for the next one, so a slow body stops the fetching and a crash repeats what it was busy with.
 */
import type { MessageView } from '../model/message.ts'
import type { Handout } from './lite-queue.ts'
import type { PollLine } from './poll-line.ts'
import { giveMessages, type TopicValues } from './topic-values.ts'

export interface MessageLoopHost<Received extends MessageView> {
  readonly line: PollLine
  /** The loop asks for its first message. */
  onBegun(loop: MessageLoop<Received>): void
  /** Absent without typed topics. */
  readonly values?: TopicValues | undefined
  /** The application is done with these. */
  finish(handouts: readonly Handout[]): void
  /** The loop asks for nothing more; these messages it left without coming back. */
  onEnded(loop: MessageLoop<Received>, left: readonly Handout[]): void
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

export class MessageLoop<Received extends MessageView = MessageView>
  implements AsyncIterableIterator<Received, undefined>
{
  readonly #host: MessageLoopHost<Received>
  readonly #signal: AbortSignal | undefined
  /** More than one when `next` is called without waiting for the one before. */
  #given: Handout[] = []
  #isBegun = false
  #isEnded = false

  constructor(host: MessageLoopHost<Received>, signal?: AbortSignal) {
    this.#host = host
    this.#signal = signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Finishes the message before and waits for the next one. */
  async next(): Promise<IteratorResult<Received, undefined>> {
    if (!this.#isBegun) this.#begin()
    this.#host.finish(this.#given.splice(0))
    if (this.#isEnded) return DONE
    try {
      const handout = await this.#host.line.read({
        maxCount: 1,
        timeoutMs: Number.POSITIVE_INFINITY,
        signal: this.#signal,
      })
      if (handout === undefined) return this.#end()
      this.#given.push(handout)
      const giving = giveMessages<Received>(this.#host.values, handout.messages)
      const [value] = giving instanceof Promise ? await giving : giving
      return { done: false, value: value! }
    } catch (error) {
      this.#end()
      throw error
    }
  }

  /** The loop was left with `break`, `return` or an error: its message counts as one that a poll returned. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    return this.#end()
  }

  #begin(): void {
    this.#isBegun = true
    this.#host.onBegun(this)
  }

  #end(): IteratorReturnResult<undefined> {
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#host.onEnded(this, this.#given.splice(0))
    }
    return DONE
  }
}
