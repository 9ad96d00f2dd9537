/** The application itself says which queues. */
import { invalidParameter } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { isRetryTopic } from '../model/topic.ts'
import type { AllocateStrategy } from './allocate.ts'
import { allocateAveragely } from './averagely.ts'

/**
 * RocketMQ's `AllocateMessageQueueByConfig`: a member consumes the queues that it is given here, whoever else there is. It is up to
 * the application that every queue has a member, and only one: a second one waits until the first gives its lease back. When no
 * queue of the group's retry topic is among them, that topic is shared averagely, so that no retry waits for ever.
 *
 * Throws `INVALID_PARAMETER` when it is not given a list of queues.
 *
 * @example
 * ```ts
 * import { allocateByConfig } from 'pocketmq'
 * const strategy = allocateByConfig([{ topic: 'orders', brokerName: 'localhost', queueId: 0 }])
 * console.log(strategy.name)
 * ```
 */
export function allocateByConfig(queues: readonly MessageQueue[]): AllocateStrategy {
  if (!Array.isArray(queues) || queues.some((queue) => typeof queue?.topic !== 'string'))
    throw invalidParameter('allocateByConfig: give the queues as an array of { topic, brokerName, queueId }.')
  const configured: readonly MessageQueue[] = Object.freeze([...queues])
  return Object.freeze({
    name: 'CONFIG',
    // A strategy is asked for each topic in turn; RocketMQ answers the whole list each time.
    allocate: (group, currentId, offered, ids) => {
      const topic = offered[0]?.topic
      if (topic === undefined) return configured
      const own = configured.filter((queue) => queue.topic === topic)
      const isForgotten = own.length === 0 && isRetryTopic(topic)
      return isForgotten ? allocateAveragely.allocate(group, currentId, offered, ids) : own
    },
  } satisfies AllocateStrategy)
}
