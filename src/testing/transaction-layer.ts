/** Writes down how transactions end, by whom they were begun or by who was asked about them. */

import type { TransactionResolution } from '../model/transaction.ts'
import type {
  HalfReceipt,
  HalfSendRequest,
  TransactionCheck,
  TransactionVerbs,
} from '../model/transaction-verbs.ts'
import { overlay } from './layer.ts'
import type { Ledger } from './ledger.ts'

interface Seen {
  /** Transactions whose end was not written down yet. */
  readonly open: Map<string, { readonly topic: string; readonly messageId: string }>
  readonly ended: Set<string>
}

/** The verbs, and in the ledger what they bring about; `sendHalf` writes its send down itself. */
export function recordedTransactions(
  ledger: Ledger,
  next: TransactionVerbs,
  sendHalf: (request: HalfSendRequest) => Promise<HalfReceipt>,
): TransactionVerbs {
  const seen: Seen = { open: new Map(), ended: new Set() }
  const end: TransactionVerbs['endTransaction'] = async (transactionId, producerGroup, resolution) => {
    await next.endTransaction(transactionId, producerGroup, resolution)
    const message = seen.open.get(transactionId)
    if (message === undefined || resolution === 'UNKNOWN') return
    seen.open.delete(transactionId)
    seen.ended.add(transactionId)
    const type = resolution === 'COMMIT' ? 'committed' : 'rolled-back'
    ledger.record({ type, ...message, producerGroup })
  }
  const verbs: Partial<TransactionVerbs> = {
    endTransaction: end,
    sendHalfMessage: async (request) => {
      const receipt = await sendHalf(request)
      const { transactionId, messageId } = receipt
      seen.open.set(transactionId, { topic: request.queue.topic, messageId })
      return receipt
    },
    answerChecks: (producerGroup, clientId, check) =>
      next.answerChecks(producerGroup, clientId, recordedCheck(producerGroup, check, seen, end)),
  }
  return overlay(next, verbs)
}

/** The end that an answer asks for passes here too, as if the producer had asked for it; to ask for it again changes nothing. */
function recordedCheck(
  producerGroup: string,
  check: TransactionCheck,
  { open, ended }: Seen,
  end: TransactionVerbs['endTransaction'],
): TransactionCheck {
  return async (message, transactionId): Promise<TransactionResolution> => {
    // It may be of an earlier life.
    const { topic, messageId } = message
    if (!ended.has(transactionId)) open.set(transactionId, { topic, messageId })
    const resolution = await check(message, transactionId)
    try {
      await end(transactionId, producerGroup, resolution)
      return resolution
    } catch {
      // It ended otherwise meanwhile, or was not ended: then the next check comes.
      return 'UNKNOWN'
    }
  }
}
