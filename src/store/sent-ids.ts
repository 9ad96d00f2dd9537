/** Whether a message that its sender gave an id is stored: what the index says, without waiting for what is not applied yet. */
import type { MessageView } from '../model/message.ts'
import { MESSAGE_ID_BYTES, type MessageId, writeMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { findExplicit, type QuerySource } from './queries.ts'

/**
 * The first message of the topic with this id, stored after the time. Ids that senders give have rows of their own, so each generation within the
 * time costs one seek; retries and dead letters lie in other topics.
 */
export async function findSent(
  source: QuerySource,
  topic: string,
  messageId: MessageId,
  afterTimestamp: number,
): Promise<MessageView | undefined> {
  const id = Buffer.allocUnsafe(MESSAGE_ID_BYTES)
  writeMessageId(messageId, id, 0)
  for (const { generation, timestamp } of [...source.state.generations].reverse()) {
    for (const message of await findExplicit(source, generation, id)) {
      if (message.queue.topic === topic && message.storeTimestamp > afterTimestamp) return message
    }
    // Whatever lies before a generation was stored before it began.
    if (timestamp <= afterTimestamp) return undefined
  }
  return undefined
}

/** Whether the index knows of the message at this offset, or never will, since its queue is gone. */
export function isApplied({ state, catalog }: QuerySource, queue: MessageQueue, offset: number): boolean {
  const log = catalog.topic(queue.topic)?.logs[queue.queueId]
  return log === undefined || offset < (state.queues.get(log.uid)?.maxOffset ?? 0)
}
