/** Splits a list of messages into batches that `send` accepts (RocketMQ's batch sample, semantics section 2.8). */

import { invalidParameter } from './errors.ts'
import { BATCH_ADVISED_BYTES, BATCH_MAX_COUNT, MESSAGE_MAX_BYTES } from './limits.ts'
import type { Message } from './message.ts'
import { sizeOfMessage } from './outgoing-message.ts'
import { toPlain } from './typed-body.ts'
import type { Destination } from './typed-message.ts'

/** Bounds of {@link splitIntoBatches}. */
export interface SplitOptions {
  /** Most bytes of one batch. Default 1 MiB, at most 4 MiB. A larger message makes a batch of its own. */
  readonly maxBytes?: number
}

/**
 * Splits messages into batches that are legal to send: one topic, one message group and one priority each, in the order given, of at
 * most `maxBytes`.
 * A message cannot be split; the value of a typed topic counts as its JSON, which the schema is not asked about here. One that is larger than `maxBytes` stands alone, one above 4 MiB is refused.
 *
 * @example
 * ```ts
 * import { PocketMQ, splitIntoBatches } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const producer = await mq.createProducer({ group: 'import' })
 * const messages = Array.from({ length: 5000 }, (_, i) => ({ topic: 'rows', body: `row ${i}` }))
 * for (const batch of splitIntoBatches(messages)) await producer.send(batch)
 * ```
 */
export function* splitIntoBatches<const To extends Destination = string>(
  messages: Iterable<Message<To>>,
  options: SplitOptions = {},
): Generator<Message<To>[]> {
  checkArguments(messages, options)
  const maxBytes = options.maxBytes ?? BATCH_ADVISED_BYTES
  if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > MESSAGE_MAX_BYTES) {
    throw invalidParameter(
      `maxBytes must be a whole number from 1 to ${MESSAGE_MAX_BYTES}, not ${String(maxBytes)}.`,
    )
  }
  let batch: Message<To>[] = []
  let batchBytes = 0
  for (const message of messages) {
    const bytes = sizeOfMessage(toPlain(message))
    const fits =
      batchBytes + bytes <= maxBytes &&
      batch.length < BATCH_MAX_COUNT &&
      batch[0]?.topic === message.topic &&
      batch[0].messageGroup === message.messageGroup &&
      (batch[0].priority ?? 0) === (message.priority ?? 0)
    if (batch.length > 0 && !fits) {
      yield batch
      batch = []
      batchBytes = 0
    }
    batch.push(message)
    batchBytes += bytes
  }
  if (batch.length > 0) yield batch
}

function checkArguments(messages: unknown, options: unknown): void {
  const isIterable = typeof messages === 'object' && messages !== null && Symbol.iterator in messages
  if (!isIterable) throw invalidParameter('splitIntoBatches needs an array or another iterable of messages.')
  if (typeof options !== 'object' || options === null)
    throw invalidParameter('The options must be an object.')
  for (const name of Object.keys(options)) {
    if (name !== 'maxBytes')
      throw invalidParameter(`splitIntoBatches has no option '${name}'; it knows maxBytes.`)
  }
}
