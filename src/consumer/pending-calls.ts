/** Calls of an engine that a handle has under way, so that its end can end those that wait and outlast the others. */

type End = () => void

export class PendingCalls {
  readonly #calls = new Set<Promise<unknown>>()
  readonly #endings = new Set<End>()
  /** Callers share signals, and many listeners on one would be taken for a leak: so each signal gets one. */
  readonly #bySignal = new Map<AbortSignal, { readonly ends: Set<End>; readonly fire: End }>()

  /** Makes a call that may wait. The signal that it is given fires at the end, or with the caller's own. */
  async wait<Answer>(
    signal: AbortSignal | undefined,
    call: (ending: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const controller = new AbortController()
    const end = (): void => controller.abort()
    const answering = this.track(call(controller.signal))
    this.#endings.add(end)
    this.#listen(signal, end)
    try {
      return await answering
    } finally {
      this.#endings.delete(end)
      this.#unlisten(signal, end)
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

  #listen(signal: AbortSignal | undefined, end: End): void {
    if (signal === undefined) return
    const known = this.#bySignal.get(signal)
    if (known !== undefined) {
      known.ends.add(end)
      return
    }
    const ends = new Set([end])
    const fire = (): void => {
      for (const each of ends) each()
    }
    this.#bySignal.set(signal, { ends, fire })
    signal.addEventListener('abort', fire)
  }

  #unlisten(signal: AbortSignal | undefined, end: End): void {
    const known = signal && this.#bySignal.get(signal)
    if (signal === undefined || known === undefined) return
    known.ends.delete(end)
    if (known.ends.size > 0) return
    this.#bySignal.delete(signal)
    signal.removeEventListener('abort', known.fire)
  }
}
