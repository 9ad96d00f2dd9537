/** Calls of an engine that a handle has under way, so that its end can end those that wait and outlast the others. */
import { listen, unlisten } from '../model/signal-listeners.ts'

type End = () => void

export class PendingCalls {
  readonly #calls = new Set<Promise<unknown>>()
  readonly #endings = new Set<End>()

  /** Makes a call that may wait. The signal that it is given fires at the end, or with the caller's own. */
  async wait<Answer>(
    signal: AbortSignal | undefined,
    call: (ending: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const controller = new AbortController()
    const end = (): void => controller.abort()
    const answering = this.track(call(controller.signal))
    this.#endings.add(end)
    listen(signal, end)
    try {
      return await answering
    } finally {
      this.#endings.delete(end)
      unlisten(signal, end)
    }
  }

  /** Outlasts a call that does not wait. */
  async track<Answer>(answering: Promise<Answer>): Promise<Answer> {
    this.#calls.add(answering)
    try {
      return await answering
    } finally {
      this.#calls.delete(answering)
    }
  }

  /** Ends what waits; resolves when every call has settled. */
  async end(): Promise<void> {
    for (const end of this.#endings) end()
    await Promise.allSettled(this.#calls)
  }
}
