/** Reads all of a store, message by message, the way a consumer would: by queue and offset. */
import type { MessageView } from '../../src/model/message.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import type { Store } from '../../src/store/store.ts'

/** The messages of one queue, in order. */
export interface QueueContent {
  readonly log: QueueLog
  readonly messages: readonly MessageView[]
}

/** All queues of all topics; throws where a message between min and max cannot be read. */
export async function readQueues(store: Store): Promise<QueueContent[]> {
  const found: QueueContent[] = []
  for (const topic of store.catalog.topics()) {
    for (const log of topic.logs) found.push({ log, messages: await readQueue(log) })
  }
  return found
}

export async function readQueue(log: QueueLog): Promise<MessageView[]> {
  const messages: MessageView[] = []
  let offset = log.minOffset
  while (offset < log.maxOffset) {
    const batch = await log.batchAt(offset)
    if (offset < batch.baseOffset || offset >= batch.baseOffset + batch.count) {
      throw new Error(
        `${nameOf(log)}: asked for ${offset}, got ${batch.baseOffset} and ${batch.count - 1} more`,
      )
    }
    for (; offset < batch.baseOffset + batch.count; offset++)
      messages.push(batch.message(offset - batch.baseOffset))
  }
  return messages
}

export function nameOf(log: QueueLog): string {
  return `${log.queue.topic}/${log.queue.queueId}`
}
