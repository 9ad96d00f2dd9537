/** What a member subscribes to. Changes come one after another, and one that the engine refuses has never been. */
import type { MessageFilter } from '../model/subscription.ts'

export class SubscriptionChanges {
  #filters: ReadonlyMap<string, MessageFilter>
  #lastChange: Promise<void> = Promise.resolve()

  constructor(filters: ReadonlyMap<string, MessageFilter>) {
    this.#filters = filters
  }

  /** The filters by topic, as they are now. */
  get current(): ReadonlyMap<string, MessageFilter> {
    return this.#filters
  }

  /** Resolves when no change is under way. */
  get settled(): Promise<void> {
    return this.#lastChange
  }

  /** Changes the filters, which `apply` then makes known; when it rejects they are as they were. `check` may still refuse. */
  change(
    change: (filters: Map<string, MessageFilter>) => unknown,
    { check, apply }: { check(): void; apply(): Promise<void> },
  ): Promise<void> {
    const changing = this.#lastChange.then(async () => {
      check()
      const before = this.#filters
      const filters = new Map(before)
      change(filters)
      this.#filters = filters
      try {
        await apply()
      } catch (error) {
        this.#filters = before
        throw error
      }
    })
    this.#lastChange = changing.catch(() => undefined)
    return changing
  }
}
