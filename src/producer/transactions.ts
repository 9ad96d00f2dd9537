/** What a producer does with transactions: begins them, answers checks, runs local transactions (semantics section 11). */
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Message, MessageView } from '../model/message.ts'
import { OwnContext } from '../model/own-context.ts'
import type { Tracing } from '../model/tracing.ts'
import { type TransactionEnd, TransactionResolution } from '../model/transaction.ts'
import { type HalfReceipt, type HalfSendRequest, transactionVerbsOf } from '../model/transaction-verbs.ts'
import type { Destination } from '../model/typed-message.ts'
import { Transaction, type TransactionOwner } from './transaction.ts'

/**
 * Says how the transaction of a message ended, from what the application has stored itself. Nothing, an exception, or no answer leave
 * it open, and it is asked again. Any number of messages may be asked about at the same time, and about one again before it answered
 * (RocketMQ `TransactionListener#checkLocalTransaction`).
 */
export type TransactionChecker = (
  message: MessageView,
  transactionId: string,
) => TransactionResolution | undefined | Promise<TransactionResolution | undefined>

/**
 * Does the local part of a transaction and says how it ended. It is given the message as it was sent, and the receipt of its half, whose
 * `transactionId` the checker sees too (RocketMQ `TransactionListener#executeLocalTransaction`).
 *
 * @example
 * ```ts
 * import { PocketMQ, TransactionResolution } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const payments = new Map<string, string>() // a table of your database, in truth
 * const producer = await mq.createProducer({
 *   group: 'payments',
 *   transactionChecker: (message, transactionId) =>
 *     payments.get(message.text()) === transactionId ? TransactionResolution.COMMIT : TransactionResolution.ROLLBACK,
 * })
 * const { resolution } = await producer.sendInTransaction({ topic: 'paid', body: 'o-42' }, (_, { messageId }) => {
 *   payments.set('o-42', messageId)
 *   return TransactionResolution.COMMIT
 * })
 * console.log(resolution)
 * ```
 */
export type LocalTransaction<To extends Destination = string> = (
  message: Message<To>,
  receipt: HalfReceipt,
) => TransactionResolution | undefined | Promise<TransactionResolution | undefined>

/** The outcome of `sendInTransaction` (RocketMQ `TransactionSendResult`). */
export interface TransactionReceipt {
  /** Of the half message; it has no offset in its queue. */
  readonly receipt: HalfReceipt
  /** The id of the message, as in RocketMQ. */
  readonly transactionId: string
  /**
   * How the transaction ended: `COMMIT` and `ROLLBACK` only when that is stored. `UNKNOWN` when the local transaction answered so or nothing,
   * when it threw, and when the end that it asked for did not take place; `error` tells the last two.
   */
  readonly resolution: TransactionResolution
  /**
   * What the local transaction threw, or why the end that it asked for did not take place; an `error` event tells it too. The transaction is
   * open then, and the checker is asked; but with `ILLEGAL_OPERATION` a check had ended it in the other way before, and with
   * `TOPIC_NOT_EXIST` its message is gone with its topic.
   */
  readonly error?: unknown
}

/** What the transactions of a producer need of it. */
export interface TransactionsHost {
  readonly watched: { readonly engine: Engine }
  readonly group: string
  readonly clientId: string
  readonly checker: TransactionChecker | undefined
  readonly emit: EmitEvent
  readonly tracing?: Tracing | undefined
}

const RESOLUTIONS: ReadonlySet<unknown> = new Set(Object.values(TransactionResolution))

export class Transactions implements TransactionOwner {
  readonly #host: TransactionsHost
  #stopAnswering: () => void = () => undefined

  /** Throws `UNSUPPORTED` for a checker that the engine would never ask. */
  constructor(host: TransactionsHost) {
    this.#host = host
    if (host.checker !== undefined) transactionVerbsOf(host.watched.engine)
  }

  /** Answers the checks of its group from now on, if it can. */
  startAnswering(): void {
    const { watched, group, clientId, checker } = this.#host
    if (checker === undefined) return
    const context = new OwnContext()
    this.#stopAnswering = transactionVerbsOf(watched.engine).answerChecks(group, clientId, (message, id) =>
      context.run(() => this.#check(checker, message, id)),
    )
  }

  begin(): Transaction {
    if (this.#host.checker === undefined) {
      const text =
        'Transactions need a transactionChecker: it is asked when a process ends before its transaction.'
      throw invalidParameter(text)
    }
    return new Transaction(this)
  }

  /** Throws unless the transaction was begun by this producer. */
  checkOwn(transaction: unknown): asserts transaction is Transaction {
    if (!Transaction.isBegunBy(this, transaction))
      throw invalidParameter('The transaction must come from beginTransaction of this producer.')
  }

  end(transactionId: string, end: TransactionEnd): Promise<void> {
    const { watched, group } = this.#host
    return transactionVerbsOf(watched.engine).endTransaction(transactionId, group, end)
  }

  sendHalf(transaction: Transaction, request: HalfSendRequest): Promise<HalfReceipt> {
    return transaction.enlist(() => transactionVerbsOf(this.#host.watched.engine).sendHalfMessage(request))
  }

  /** Stores the half of a transaction, runs the local one, and ends it as that answers. */
  async run<To extends Destination>(
    message: Message<To>,
    local: LocalTransaction<To>,
    sendHalf: (transaction: Transaction) => Promise<HalfReceipt>,
  ): Promise<TransactionReceipt> {
    const transaction = this.begin()
    const receipt = await sendHalf(transaction)
    const { transactionId } = receipt
    // A half that may be lost is not worth a local transaction (semantics section 11.1, step 4).
    const answered =
      receipt.status === 'SEND_OK'
        ? await this.#runLocal(() => local(message, receipt))
        : { resolution: 'ROLLBACK' as const }
    const { resolution } = answered
    try {
      if (resolution === 'COMMIT') await transaction.commit()
      if (resolution === 'ROLLBACK') await transaction.rollback()
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
      return { receipt, transactionId, resolution: 'UNKNOWN', error }
    }
    return { receipt, transactionId, ...answered }
  }

  /** What was asked before is answered all the same, and what was begun may be ended, as long as the instance is open. */
  stopAnswering(): void {
    this.#stopAnswering()
  }

  async #runLocal(
    local: () => ReturnType<LocalTransaction>,
  ): Promise<{ readonly resolution: TransactionResolution; readonly error?: unknown }> {
    try {
      return { resolution: resolutionOf(await local(), 'The local transaction') }
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
      return { resolution: 'UNKNOWN', error }
    }
  }

  async #check(
    checker: TransactionChecker,
    message: MessageView,
    id: string,
  ): Promise<TransactionResolution> {
    try {
      const resolution = resolutionOf(await checker(message, id), 'The transactionChecker')
      this.#trace(message, resolution)
      return resolution
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
      return 'UNKNOWN'
    }
  }

  #trace({ messageId }: MessageView, resolution: TransactionResolution): void {
    const { tracing, group, clientId, watched } = this.#host
    if (tracing === undefined || !tracing.watchesSends || resolution === 'UNKNOWN') return
    const timestamp = watched.engine.clock.now()
    tracing.transactionEnded({ group, clientId, messageId, resolution, isFromCheck: true, timestamp })
  }
}

/** RocketMQ takes nothing for UNKNOWN; what is something else is a mistake to tell of, and UNKNOWN as well. */
function resolutionOf(answer: unknown, who: string): TransactionResolution {
  if (answer === undefined || answer === null) return 'UNKNOWN'
  if (RESOLUTIONS.has(answer)) return answer as TransactionResolution
  throw invalidParameter(`${who} answered neither COMMIT, ROLLBACK nor UNKNOWN.`)
}
