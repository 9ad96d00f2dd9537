/** The part of an engine that makes transactions (semantics section 11). */
import type { Engine, SendRequest } from './engine.ts'
import { MQError } from './errors.ts'
import type { MessageView } from './message.ts'
import type { OutgoingMessage } from './outgoing-message.ts'
import type { SendReceipt } from './results.ts'
import type { TransactionResolution } from './transaction.ts'

/** Half messages (RocketMQ transactions, semantics section 11). */
export interface TransactionVerbs {
  /** Stores a message that nobody sees before its transaction is committed. */
  sendHalfMessage(request: HalfSendRequest): Promise<HalfReceipt>
  /**
   * Ends a transaction; `UNKNOWN` changes nothing. Ending it again in the same way succeeds. Rejects with `ILLEGAL_OPERATION` when it ended
   * in the other way, was given up after the last check, or belongs to another group.
   */
  endTransaction(
    transactionId: string,
    producerGroup: string,
    resolution: TransactionResolution,
  ): Promise<void>
  /** Answers check-backs for a producer group until the returned function is called. */
  answerChecks(producerGroup: string, clientId: string, check: TransactionCheck): () => void
}

/** A send of one message. */
export type HalfSendRequest = SendRequest & { readonly messages: OutgoingMessage }

/** The proof that the half of a transaction is stored: it has no place in its queue yet, so its `queueOffset` is -1 and its `offsetMessageId` empty. */
export interface HalfReceipt extends SendReceipt {
  /** The id of the message, as in RocketMQ. */
  readonly transactionId: string
}

/** How a transaction ended, as its producer knows. */
export type TransactionCheck = (message: MessageView, transactionId: string) => Promise<TransactionResolution>

/** What an engine makes transactions by; throws `UNSUPPORTED` where it does not. */
export function transactionVerbsOf({ transactions }: Engine): TransactionVerbs {
  if (transactions === undefined) throw new MQError('UNSUPPORTED', 'This engine has no transactions.')
  return transactions
}
