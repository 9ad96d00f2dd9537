/** What the wall clock showed during calls, also when it was set meanwhile. */
export interface ClockSpan {
  /** The earliest and the latest time that it showed. */
  from: number
  to: number
  wasSetBack: boolean
}

export class ClockSpans {
  readonly #open = new Map<number, ClockSpan>()

  begin(id: number, wallMs: number): ClockSpan {
    const span = { from: wallMs, to: wallMs, wasSetBack: false }
    this.#open.set(id, span)
    return span
  }

  /** The clock is about to be set. */
  jump(wallMs: number, byMs: number): void {
    for (const span of this.#open.values()) {
      note(span, wallMs)
      note(span, wallMs + byMs)
      span.wasSetBack ||= byMs < 0
    }
  }

  /** Of a call that has ended now. */
  end(id: number, wallMs: number): ClockSpan {
    const span = this.#open.get(id) ?? { from: wallMs, to: wallMs, wasSetBack: false }
    this.#open.delete(id)
    note(span, wallMs)
    return span
  }

  /** Nobody is answered any more. */
  endAll(wallMs: number): void {
    for (const id of [...this.#open.keys()]) this.end(id, wallMs)
  }
}

function note(span: ClockSpan, wallMs: number): void {
  span.from = Math.min(span.from, wallMs)
  span.to = Math.max(span.to, wallMs)
}
