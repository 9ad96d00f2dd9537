/**
 * Who decides about an alarm. What is due and what somebody does to the same alarm may meet in one commit group, where
 * both would succeed: so whoever commits something about an alarm claims it first, and the other one comes too late or waits.
 */
export class AlarmClaims {
  readonly #claimed = new Set<number>()
  /** Who waits for the end of a claim. */
  readonly #waiting = new Map<number, (() => void)[]>()

  /** Whether nobody else decides about it at the moment; if so, it is yours until you release it. */
  claim(id: number): boolean {
    if (this.#claimed.has(id)) return false
    this.#claimed.add(id)
    return true
  }

  /** The commit has ended, well or not. */
  release(id: number): void {
    this.#claimed.delete(id)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    for (const resolve of waiting) resolve()
  }

  /** Resolves when nobody decides about it any more; somebody may again by then. */
  released(id: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id)
      if (!this.#claimed.has(id)) resolve()
      else if (waiting === undefined) this.#waiting.set(id, [resolve])
      else waiting.push(resolve)
    })
  }
}
