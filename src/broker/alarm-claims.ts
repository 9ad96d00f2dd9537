/**
 * Who decides about an alarm. What is due and what somebody does to the same alarm may meet in one commit group, where
 * both would succeed: so whoever commits something about an alarm claims it first, and the other one comes too late or waits.
 */
export class AlarmClaims {
  /** Who waits for the end of each claim. */
  readonly #claimed = new Map<number, (() => void)[]>()

  /** Whether nobody else decides about it at the moment; if so, it is yours until you release it. */
  claim(id: number): boolean {
    if (this.#claimed.has(id)) return false
    this.#claimed.set(id, [])
    return true
  }

  /** The commit has ended, well or not. */
  release(id: number): void {
    const waiting = this.#claimed.get(id) ?? []
    this.#claimed.delete(id)
    for (const resolve of waiting) resolve()
  }

  /** Resolves when nobody decides about it any more; somebody may again by then. */
  released(id: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#claimed.get(id)
      if (waiting === undefined) resolve()
      else waiting.push(resolve)
    })
  }
}
