/**
 * What the trace topic keeps (RocketMQ `TraceDataEncoder`, semantics section 12.2): one message for many records, as JSON, under the ids of
 * the messages that they are about as keys. Not RocketMQ's encoding, which has no place for queue, offset and reason.
 */
import { z } from 'zod'

const schema = z.object({
  /** `sent` and `delivered` took time, the others happened at once. `returned`: a simple consumer gave it back. */
  type: z.enum([
    'sent',
    'delivered',
    'received',
    'acknowledged',
    'returned',
    'committed',
    'rolled-back',
    'recalled',
  ]),
  messageId: z.string(),
  /** When it began, in milliseconds since 1970. */
  timestamp: z.number(),
  group: z.string(),
  clientId: z.string(),
  topic: z.string().optional(),
  brokerName: z.string().optional(),
  queueId: z.number().optional(),
  queueOffset: z.number().optional(),
  reconsumeTimes: z.number().optional(),
  durationMs: z.number().optional(),
  isDuplicate: z.boolean().optional(),
  /** Of what was stored in no queue: what it waits for then, and when it is to come. */
  waitsFor: z.enum(['time', 'transaction']).optional(),
  dueTimestamp: z.number().optional(),
  outcome: z.enum(['SUCCESS', 'FAILED', 'EXCEPTION', 'TIME_OUT']).optional(),
  reason: z.string().optional(),
})
const recordsSchema = z.array(schema)

/** One thing that happened to one message. */
export type TraceRecord = Readonly<z.output<typeof schema>>

/** The body of a message of the trace topic. */
export function encodeTraces(records: readonly TraceRecord[]): string {
  return JSON.stringify(records)
}

/** What a message of the trace topic says; nothing when it is none of ours. */
export function decodeTraces(body: string): readonly TraceRecord[] {
  try {
    return recordsSchema.safeParse(JSON.parse(body)).data ?? []
  } catch {
    return []
  }
}
