/**
 * Whether those who make transactions are asked about them when it is time, where nothing goes wrong from outside: then there is
 * no excuse for a late check. In other runs it is enough that somebody is asked when troubles are over.
 */
import type { SimEvent, SimEventOf, Stamp } from '../events.ts'
import type { CheckerHost } from './checker.ts'

const PROMPT_MS = 250

interface Due {
  readonly producerGroup: string
  /** The first one, and the next one. */
  readonly firstMs: number
  dueMs: number
}

export class Punctuality {
  readonly #host: CheckerHost
  /** The next check of each, by number. */
  readonly #dues = new Map<number, Due>()
  /** Since when somebody of a group is there. */
  readonly #staffedSinceMs = new Map<string, number>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  /** Answers what is wrong with a transaction. */
  observe(event: SimEvent, stamp: Stamp): { readonly number: number; readonly story: string } | undefined {
    if (!this.#host.profile.isCalm) return undefined
    switch (event.type) {
      case 'answering':
        if (this.#host.model.transactions.answererCount(event.producerGroup) === 1)
          this.#staffedSinceMs.set(event.producerGroup, stamp.elapsedMs)
        return undefined
      case 'silent':
        if (this.#host.model.transactions.answererCount(event.producerGroup) === 0)
          this.#staffedSinceMs.delete(event.producerGroup)
        return undefined
      case 'half-stored':
        this.#begin(event, stamp)
        return undefined
      case 'ended':
        this.#dues.delete(event.ending.number)
        return undefined
      case 'checking':
        return this.#check(event, stamp)
      case 'checked':
        if (event.answer !== 'UNKNOWN') this.#dues.delete(event.check.copy.number)
        return undefined
      case 'closing':
        this.#dues.clear()
        return undefined
      case 'scanned':
        return this.#findLate(stamp)
    }
    return undefined
  }

  #begin({ transaction, half }: SimEventOf<'half-stored'>, { elapsedMs }: Stamp): void {
    const { number, producerGroup } = transaction
    if (half.status !== 'SEND_OK') return
    const dueMs = elapsedMs + this.#host.profile.transactions.transactionTimeOutMs
    this.#dues.set(number, { producerGroup, firstMs: dueMs, dueMs })
  }

  #check({ check }: SimEventOf<'checking'>, { elapsedMs }: Stamp) {
    const { number } = check.copy
    const due = this.#dues.get(number)
    if (due === undefined) return undefined
    const lateMs = this.#lateMs(due, elapsedMs)
    due.dueMs = elapsedMs + this.#host.profile.transactions.transactionCheckIntervalMs
    return lateMs > 0 ? { number, story: `its group is asked ${lateMs} ms too late` } : undefined
  }

  #findLate({ elapsedMs }: Stamp) {
    for (const [number, due] of this.#dues) {
      const lateMs = this.#lateMs(due, elapsedMs)
      if (lateMs > 0) return { number, story: `its group should have been asked ${lateMs} ms ago` }
    }
    return undefined
  }

  #lateMs({ producerGroup, firstMs, dueMs }: Due, nowMs: number): number {
    const { transactionCheckIntervalMs, transactionCheckMax } = this.#host.profile.transactions
    // A check counts although nobody is there: behind the last one there is none.
    if (dueMs >= firstMs + (transactionCheckMax - 1) * transactionCheckIntervalMs) return 0
    const staffedSinceMs = this.#staffedSinceMs.get(producerGroup) ?? Infinity
    return staffedSinceMs < dueMs ? Math.max(0, nowMs - dueMs - PROMPT_MS) : 0
  }
}
