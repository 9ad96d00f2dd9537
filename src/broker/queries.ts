/** Looking at what is stored, whatever the permission of its topic (semantics section 12.1). */
import type { KeyQuery } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { parseOffsetMessageId } from '../model/offset-message-id.ts'
import type { QueueStatus } from '../model/results.ts'
import type { Store } from '../store/store.ts'
import { queueCount } from './routes.ts'
import type { Topics } from './topics.ts'

export class Queries {
  readonly #store: Store
  readonly #topics: Topics

  constructor(store: Store, topics: Topics) {
    this.#store = store
    this.#topics = topics
  }

  async viewMessage(queue: MessageQueue, offset: number): Promise<MessageView> {
    const log = this.#topics.log(queue)
    if (offset < log.minOffset || offset >= log.maxOffset) {
      const range = `it holds ${log.minOffset} to ${log.maxOffset - 1}`
      throw noMessage(
        `Queue ${queue.queueId} of '${queue.topic}' has no message at offset ${offset}; ${range}.`,
      )
    }
    const batch = await log.batchAt(offset)
    return batch.message(offset - batch.baseOffset)
  }

  async viewMessageByOffsetId(offsetMessageId: string): Promise<MessageView> {
    const { queueUid, queueOffset } = parseOffsetMessageId(offsetMessageId)
    const message = await this.#store.readRecord(queueUid, queueOffset)
    if (message === undefined) throw noMessage(`No message has the offset message id ${offsetMessageId}.`)
    return message
  }

  queryMessagesById(messageId: string): Promise<readonly MessageView[]> {
    return this.#store.queryById(messageId)
  }

  async queryMessagesByKey({ topic, key, begin, end, maxCount }: KeyQuery): Promise<readonly MessageView[]> {
    return this.#store.queryByKey(this.#topics.entry(topic), key, begin, end, maxCount)
  }

  async topicStatus(topic: string): Promise<readonly QueueStatus[]> {
    const entry = this.#topics.entry(topic)
    const logs = entry.logs.slice(0, queueCount(entry))
    return logs.map(({ queue, minOffset, maxOffset, lastStoreTimestamp }) => ({
      queue,
      minOffset,
      maxOffset,
      lastStoreTimestamp,
    }))
  }
}

function noMessage(text: string): MQError {
  return new MQError('NO_MESSAGE', text)
}
