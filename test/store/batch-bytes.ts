/** Record batches without a store. */
import type { Message } from '../../src/model/message.ts'
import { type MessageId, parseMessageId } from '../../src/model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../../src/model/outgoing-message.ts'
import { BlockPool } from '../../src/store/block-pool.ts'
import { FACT_HEADER_BYTES } from '../../src/store/fact-format.ts'
import { RecordWriter } from '../../src/store/record-writer.ts'

const SOME_ID: MessageId = parseMessageId('010102030405060708000000090000000A')

export interface BatchFields {
  readonly queueUid?: number
  readonly baseOffset?: number
  readonly storeTimestamp?: number
  /** How many small messages, when none are given. */
  readonly count?: number
  readonly messages?: readonly OutgoingMessage[]
  readonly explicitIds?: boolean
}

/** The bytes of a record batch as they stand in the commit log. */
export function batchBytes(fields: BatchFields): Buffer {
  const { queueUid = 65_536, baseOffset = 0, storeTimestamp = 1_800_000_000_000, count = 1 } = fields
  const messages =
    fields.messages ?? Array.from({ length: count }, (_, i) => outgoing({ body: `m${baseOffset + i}` }))
  const writer = new RecordWriter(new BlockPool(0))
  if (fields.explicitIds === true) writer.markExplicitIds()
  for (const message of messages) writer.append(message)
  writer.finish(queueUid, baseOffset, storeTimestamp)
  const fact = Buffer.alloc(writer.factBytes)
  writer.copyTo(fact, 0)
  return fact.subarray(FACT_HEADER_BYTES)
}

/** A checked message. */
export function outgoing(
  fields: Partial<Message> = {},
  id = SOME_ID,
  bornTimestamp = 1_799_999_999_000,
): OutgoingMessage {
  return prepareMessage({ topic: 'orders', body: 'x', ...fields }, id, bornTimestamp)
}
