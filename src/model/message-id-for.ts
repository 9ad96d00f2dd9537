/** Ids for sends that may be repeated. */
import { createHash } from 'node:crypto'
import { invalidParameter } from './errors.ts'
import { formatStoredMessageId } from './message-id.ts'

/**
 * The message id that belongs to a key of your own, always the same one: for `producer.send(message, { messageId })`. A key says what the message
 * tells, such as `'o-42 paid'`; 128 bits of its SHA-256 make the id. Throws `INVALID_PARAMETER` for an empty key, and for one with a lone surrogate.
 *
 * @example
 * ```ts
 * import { messageIdFor, PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ path: './data', deduplicationWindowMs: 600_000 })
 * const producer = await mq.createProducer({ group: 'order-service' })
 * const messageId = messageIdFor('o-42 paid')
 * await producer.send({ topic: 'orders', body: 'o-42', tag: 'paid' }, { messageId })
 * const { isDuplicate } = await producer.send({ topic: 'orders', body: 'o-42', tag: 'paid' }, { messageId })
 * console.log(isDuplicate) // true: there is one message
 * ```
 */
export function messageIdFor(key: string): string {
  if (typeof key !== 'string' || key === '')
    throw invalidParameter('The key must be a string that is not empty.')
  // UTF-8 would make one of several: keys that differ would have one id.
  if (!key.isWellFormed())
    throw invalidParameter('The key holds a lone surrogate, which UTF-8 cannot express.')
  return formatStoredMessageId(createHash('sha256').update(key).digest(), 0)
}
