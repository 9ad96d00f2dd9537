/** Computes where a group shall go on (RocketMQ `resetOffsetByTime`, semantics section 12.3). */
import type { Engine } from '../model/engine.ts'
import { invalidParameter } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { QueueStatus } from '../model/results.ts'
import { parseResetOffset, type ResetOffsetOptions } from './admin-arguments.ts'

/** Where a group goes on in one queue. */
export interface QueueOffset {
  readonly queue: MessageQueue
  readonly offset: number
}

type ParsedReset = ReturnType<typeof parseResetOffset>

/** Sets the offsets of a group, forward or back, and tells its members; answers what was set. */
export async function resetOffset(
  engine: Engine,
  options: ResetOffsetOptions,
): Promise<readonly QueueOffset[]> {
  const reset = parseResetOffset(options)
  const statuses = await readableQueues(engine, reset)
  const offsets = await Promise.all(
    statuses.map(async (status) => ({ queue: status.queue, offset: await offsetOf(engine, status, reset) })),
  )
  const byQueueId = new Map(offsets.map(({ queue, offset }) => [queue.queueId, offset]))
  await engine.resetConsumerOffset(reset.group, reset.topic, byQueueId)
  return offsets
}

async function readableQueues(
  engine: Engine,
  { topic, queueId }: ParsedReset,
): Promise<readonly QueueStatus[]> {
  const statuses = await engine.queryTopicStatus(topic)
  if (queueId === undefined) return statuses
  const chosen = statuses.filter(({ queue }) => queue.queueId === queueId)
  if (chosen.length === 0)
    throw invalidParameter(`The topic '${topic}' has ${statuses.length} queues, but not ${queueId}.`)
  return chosen
}

async function offsetOf(
  engine: Engine,
  status: QueueStatus,
  { timestamp, offset }: ParsedReset,
): Promise<number> {
  const { queue, minOffset, maxOffset } = status
  if (offset === 'min') return minOffset
  if (offset === 'max' || timestamp === -1) return maxOffset
  if (timestamp !== undefined) return engine.searchOffset(queue, timestamp)
  if (typeof offset === 'number' && offset >= minOffset && offset <= maxOffset) return offset
  throw invalidParameter(
    `The offset ${offset} is not within ${minOffset} and ${maxOffset} of the queue ${queue.queueId}.`,
  )
}
