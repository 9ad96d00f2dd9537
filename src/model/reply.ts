/** What is said in reply to a request (semantics section 3.8). */
import { MQError } from './errors.ts'

/**
 * A reply with more than a body. The limits of messages hold for it too.
 *
 * @example
 * ```ts
 * import { PocketMQ, type Reply } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const priceOf = (article: string): Reply => ({ body: `${article.length} EUR`, properties: { vat: '19' } })
 * await mq.createPushConsumer({
 *   group: 'prices',
 *   subscriptions: { 'price-requests': '*' },
 *   listener: async (message) => void (await message.reply(priceOf(message.text()))),
 * })
 * ```
 */
export interface Reply {
  /** The content: at least one byte; a string is sent as UTF-8. It is copied when `reply` is called. */
  readonly body: string | Uint8Array
  /** The tag of the reply. */
  readonly tag?: string | undefined
  /** Keys of the reply; no white space within a key. */
  readonly keys?: string | readonly string[] | undefined
  /** User properties of the reply; RocketMQ's own names are reserved. */
  readonly properties?: Readonly<Record<string, string>> | undefined
}

/**
 * What became of a reply. `DELIVERED`: the requester has it. `DROPPED`: the requester is there, and waits for it no more: its time is
 * over, or it has another reply.
 */
export type ReplyStatus = 'DELIVERED' | 'DROPPED'

/** What `message.reply` answers. */
export interface ReplyReceipt {
  /** The id of the reply. */
  readonly messageId: string
  readonly status: ReplyStatus
}

/** A reply that cannot be made. */
export function createReplyFailed(text: string): MQError {
  return new MQError('CREATE_REPLY_MESSAGE', text)
}

/** The refusal of a message that cannot be replied to. */
export function notReplyable({
  messageId,
  isRequest,
}: {
  readonly messageId: string
  readonly isRequest: boolean
}): MQError {
  return createReplyFailed(
    isRequest
      ? `The request ${messageId} was looked up; only one that a consumer was given can be replied to.`
      : `The message ${messageId} is no request, so nobody waits for a reply; see producer.request.`,
  )
}
