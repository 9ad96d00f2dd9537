/** Reads stored messages where they lie, whatever the permission of their topic. */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { CompleteOffsetRange, CompleteTimeRange } from './admin-arguments.ts'

/** The messages of a queue from an offset on, or from the oldest one. */
export async function readQueue(
  engine: Engine,
  queue: MessageQueue,
  { offset, max }: CompleteOffsetRange,
): Promise<MessageView[]> {
  const from = Math.max(offset ?? 0, await engine.minOffset(queue))
  return readOffsets(engine, queue, from, await engine.maxOffset(queue), max)
}

/** The oldest messages of a topic in the order in which they were stored. */
export async function readTopic(engine: Engine, topic: string, max: number): Promise<MessageView[]> {
  const queues = await engine.queryTopicStatus(topic)
  const messages = queues.map(({ queue, minOffset, maxOffset }) =>
    readOffsets(engine, queue, minOffset, maxOffset, max),
  )
  return inStoreOrder(await Promise.all(messages)).slice(0, max)
}

/** The messages of a topic that were stored in a span of time, oldest first. */
export async function readTimes(
  engine: Engine,
  topic: string,
  { begin, end, max }: CompleteTimeRange,
): Promise<MessageView[]> {
  const queues = await engine.queryTopicStatus(topic)
  const messages = queues.map(async ({ queue }) => {
    const from = await engine.searchOffset(queue, begin)
    const to =
      end === Number.MAX_SAFE_INTEGER
        ? await engine.maxOffset(queue)
        : await engine.searchOffset(queue, end + 1)
    return readOffsets(engine, queue, from, to, max)
  })
  return inStoreOrder(await Promise.all(messages)).slice(0, max)
}

/** Up to `max` messages from `from` to before `to`. One that retention removes meanwhile is left out. */
async function readOffsets(
  engine: Engine,
  queue: MessageQueue,
  from: number,
  to: number,
  max: number,
): Promise<MessageView[]> {
  const messages: MessageView[] = []
  for (let offset = from; offset < to && messages.length < max; offset++) {
    try {
      messages.push(await engine.viewMessage(queue, offset))
    } catch (error) {
      if (!(error instanceof MQError) || error.code !== 'NO_MESSAGE') throw error
    }
  }
  return messages
}

function inStoreOrder(queues: readonly MessageView[][]): MessageView[] {
  return queues.flat().sort((a, b) => a.storeTimestamp - b.storeTimestamp)
}
