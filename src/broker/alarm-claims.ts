/**
 * Who decides about an alarm. What is due and what somebody does to the same alarm may meet in one commit group, where
 * both would succeed: so whoever commits something about an alarm claims it first, and the other one comes too late.
 */
export class AlarmClaims {
  readonly #claimed = new Set<number>()

  /** Whether nobody else decides about it at the moment; if so, it is yours until you release it. */
  claim(id: number): boolean {
    if (this.#claimed.has(id)) return false
    this.#claimed.add(id)
    return true
  }

  /** The commit has ended, well or not. */
  release(id: number): void {
    this.#claimed.delete(id)
  }
}
