/** Writes down who replied to which request. */
import type { RequestVerbs } from '../model/request-verbs.ts'
import { overlay } from './layer.ts'
import type { Ledger } from './ledger.ts'

/** Verbs that stand before those of an engine. */
export function recordedReplies(ledger: Ledger, next: RequestVerbs): RequestVerbs {
  const verbs: Partial<RequestVerbs> = {
    sendReply: async (sent) => {
      const status = await next.sendReply(sent)
      const { topic, messageId } = sent.request
      ledger.record({ type: 'replied', topic, messageId, group: sent.group, status })
      return status
    },
  }
  return overlay(next, verbs)
}
