/**
 * The messages of a lite pull consumer as an async iterator. One message is out at a time; it is finished when the loop comes
 * back for the next one, so a slow body stops the fetching and a crash repeats what it was busy with.
 */
import type { MessageView } from '../model/message.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import type { Handout } from './lite-queue.ts'
import type { PollLine } from './poll-line.ts'
import type { ValueReader } from './value-reader.ts'

export interface MessageLoopHost<Received extends MessageView> {
  readonly line: PollLine
  /** The loop asks for its first message. */
  onBegun(loop: MessageLoop<Received>): void
  readonly reader: ValueReader
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
  /** Ends reads that wait, when the loop is left without them. */
  readonly #ending = new AbortController()
  #isBegun = false
  #isEnded = false

  constructor(host: MessageLoopHost<Received>, signal?: AbortSignal) {
    this.#host = host
    this.#signal = signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Finishes the message before and waits for the next one; what is there already costs no wait. */
  next(): Promise<IteratorResult<Received, undefined>> {
    if (!this.#isBegun) this.#begin()
    if (this.#given.length > 0) this.#host.finish(this.#given.splice(0))
    if (this.#isEnded) return Promise.resolve(DONE)
    const ready = this.#signal?.aborted ? undefined : this.#host.line.readNow(1)
    return ready === undefined ? this.#wait() : this.#give(ready)
  }

  /** The loop was left with `break`, `return` or an error: its message counts as one that a poll returned. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    return this.#end()
  }

  async #wait(): Promise<IteratorResult<Received, undefined>> {
    const end = (): void => this.#ending.abort()
    listen(this.#signal, end)
    if (this.#signal?.aborted) end()
    try {
      const { signal } = this.#ending
      const handout = await this.#host.line.read({ maxCount: 1, timeoutMs: Number.POSITIVE_INFINITY, signal })
      return handout === undefined ? this.#end() : await this.#give(handout)
    } catch (error) {
      this.#end()
      throw error
    } finally {
      unlisten(this.#signal, end)
    }
  }

  async #give(handout: Handout): Promise<IteratorYieldResult<Received>> {
    // Left while the message was on its way: it counts as one that was left, too.
    if (this.#isEnded) this.#host.onEnded(this, [handout])
    else this.#given.push(handout)
    try {
      const giving = this.#host.reader.give<Received>(handout.messages)
      const [value] = giving instanceof Promise ? await giving : giving
      return { done: false, value: value! }
    } catch (error) {
      this.#end()
      throw error
    }
  }

  #begin(): void {
    this.#isBegun = true
    this.#host.onBegun(this)
  }

  #end(): IteratorReturnResult<undefined> {
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#ending.abort()
      this.#host.onEnded(this, this.#given.splice(0))
    }
    return DONE
  }
}
