/**
 * The transactions that have not ended, as far as this run of the process knows them, and how the last ones ended. Those of an
 * earlier run become known when they are first checked.
 *
 * Whether a transaction is open its alarm decides; this is only the way from its id to its alarm.
 */
import { MQError } from '../model/errors.ts'
import type { TransactionEnd } from '../model/transaction.ts'
import type { Alarm } from '../store/fact.ts'

/** A transaction that has not ended. */
export interface OpenTransaction {
  readonly transactionId: string
  readonly producerGroup: string
  /** The next check; each check sets another one. */
  alarm: Alarm
  /** Its end is being written. */
  ending: Promise<void> | undefined
}

/** What became of a transaction. `LOST`: its topic was deleted, or its message is damaged. */
export type TransactionFate = TransactionEnd | 'GIVEN_UP' | 'LOST'

/** How many fates are remembered, so that an end that comes again is told from one that comes too late. */
const FATES_MAX_COUNT = 10_000

export class OpenTransactions {
  readonly #open = new Map<string, OpenTransaction>()
  readonly #fates = new Map<string, TransactionFate>()
  /** Whose fates are remembered, in a ring: to ask a map for its oldest key again and again is slow. */
  readonly #remembered: string[] = []
  #nextPlace = 0

  get size(): number {
    return this.#open.size
  }

  get(transactionId: string): OpenTransaction | undefined {
    return this.#open.get(transactionId)
  }

  /** The transaction of an alarm that is set. */
  know(transactionId: string, producerGroup: string, alarm: Alarm): OpenTransaction {
    const known = this.#open.get(transactionId)
    if (known !== undefined) return known
    const open = { transactionId, producerGroup, alarm, ending: undefined }
    this.#open.set(transactionId, open)
    return open
  }

  /** It is over. */
  end(transactionId: string, fate: TransactionFate): void {
    this.#open.delete(transactionId)
    if (!this.#fates.has(transactionId)) this.#remember(transactionId)
    this.#fates.set(transactionId, fate)
  }

  /** Those whose alarm passes a test. */
  filter(passes: (alarm: Alarm) => boolean): OpenTransaction[] {
    return [...this.#open.values()].filter(({ alarm }) => passes(alarm))
  }

  /** An end that comes again changes nothing; throws for one that comes too late. */
  checkEnded(transactionId: string, end: TransactionEnd): void {
    const fate = this.#fates.get(transactionId)
    // What is lost is delivered to nobody: that is all that a rollback asks for.
    if (fate === end || (fate === 'LOST' && end === 'ROLLBACK')) return
    if (fate === 'LOST') {
      const text = `The message of the transaction ${transactionId} is lost: its topic was deleted, or it was damaged.`
      throw new MQError('TOPIC_NOT_EXIST', text)
    }
    throw new MQError('ILLEGAL_OPERATION', `The transaction ${transactionId} is not open: ${wordsOf(fate)}.`)
  }

  #remember(transactionId: string): void {
    const oldest = this.#remembered[this.#nextPlace]
    if (oldest !== undefined) this.#fates.delete(oldest)
    this.#remembered[this.#nextPlace] = transactionId
    this.#nextPlace = (this.#nextPlace + 1) % FATES_MAX_COUNT
  }
}

function wordsOf(fate: 'COMMIT' | 'ROLLBACK' | 'GIVEN_UP' | undefined): string {
  switch (fate) {
    case 'COMMIT':
      return 'it was committed'
    case 'ROLLBACK':
      return 'it was rolled back'
    case 'GIVEN_UP':
      return 'it was given up after its last check'
    case undefined:
      return 'it ended long ago, or was begun before the store was opened and not checked since'
  }
}
