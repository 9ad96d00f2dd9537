/** One transaction of a producer, from its message to its end (RocketMQ 5 `Transaction`). */
import { MQError } from '../model/errors.ts'
import type { TransactionEnd } from '../model/transaction.ts'

/** Who began a transaction, and ends it at the engine. */
export interface TransactionOwner {
  end(transactionId: string, end: TransactionEnd): Promise<void>
}

/**
 * A message that nobody sees before `commit`. Made by `producer.beginTransaction`; it takes one message. When neither `commit` nor
 * `rollback` is called, or the process ends before, the `transactionChecker` of the producer group is asked.
 *
 * @example
 * ```ts
 * import { PocketMQ, TransactionResolution } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const paid = new Set<string>()
 * const producer = await mq.createProducer({
 *   group: 'payments',
 *   transactionChecker: async (message) =>
 *     paid.has(message.text()) ? TransactionResolution.COMMIT : TransactionResolution.ROLLBACK,
 * })
 * const transaction = producer.beginTransaction()
 * await producer.send({ topic: 'payments', body: 'o-42' }, { transaction })
 * paid.add('o-42')
 * await transaction.commit()
 * ```
 */
export class Transaction {
  readonly #owner: TransactionOwner
  #isTaken = false
  #transactionId: string | undefined
  #end: { readonly end: TransactionEnd; readonly done: Promise<void> } | undefined

  /** Applications call `producer.beginTransaction`. */
  constructor(owner: TransactionOwner) {
    this.#owner = owner
  }

  /** Whether this producer began it; nothing that only looks like a transaction was begun by anybody. */
  static isBegunBy(owner: TransactionOwner, transaction: unknown): transaction is Transaction {
    return transaction instanceof Transaction && #owner in transaction && transaction.#owner === owner
  }

  /** The id of its message, once that is stored. */
  get transactionId(): string | undefined {
    return this.#transactionId
  }

  /**
   * Makes the message visible, behind all that its queue has by then. Again is the same as once. Rejects with `ILLEGAL_OPERATION`
   * without a stored message, after `rollback`, and when the checker or the broker ended it in the other way; with a failure of
   * the store it is still open, and may be tried again.
   */
  commit(): Promise<void> {
    return this.#finish('COMMIT')
  }

  /** Drops the message; otherwise as `commit`. */
  rollback(): Promise<void> {
    return this.#finish('ROLLBACK')
  }

  /** Stores its message by this send; refuses a second one, and one after its end. */
  enlist<Receipt extends { readonly transactionId: string }>(send: () => Promise<Receipt>): Promise<Receipt> {
    if (this.#isTaken)
      return Promise.reject(illegal('The transaction has its message already; RocketMQ takes one.'))
    this.#isTaken = true
    return send().then(
      (receipt) => {
        this.#transactionId = receipt.transactionId
        return receipt
      },
      (error) => {
        this.#isTaken = false
        throw error
      },
    )
  }

  #finish(end: TransactionEnd): Promise<void> {
    const id = this.#transactionId
    if (id === undefined)
      return Promise.reject(illegal('The transaction has no stored message; await the send first.'))
    if (this.#end !== undefined && this.#end.end !== end)
      return Promise.reject(illegal(`The transaction ends with ${this.#end.end} already.`))
    this.#end ??= { end, done: this.#tryEnd(id, end) }
    return this.#end.done
  }

  /** After a failure it is open, and may be tried again. */
  #tryEnd(id: string, end: TransactionEnd): Promise<void> {
    return this.#owner.end(id, end).catch((error) => {
      this.#end = undefined
      throw error
    })
  }
}

function illegal(text: string): MQError {
  return new MQError('ILLEGAL_OPERATION', text)
}
