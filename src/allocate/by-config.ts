/** The application itself says which queues. */
import { invalidParameter } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { AllocateStrategy } from './allocate.ts'

/**
 * RocketMQ's `AllocateMessageQueueByConfig`: a member consumes the queues that it is given here, whoever else there is. It is up to
 * the application that every queue has a member, and only one: a second one waits until the first gives its lease back.
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
  if (!Array.isArray(queues)) throw invalidParameter('allocateByConfig: give the queues as an array.')
  const configured: readonly MessageQueue[] = Object.freeze([...queues])
  return Object.freeze({
    name: 'CONFIG',
    // A strategy is asked for each topic in turn; RocketMQ answers the whole list each time.
    allocate: (_group, _currentId, offered) => {
      const topic = offered[0]?.topic
      return configured.filter((queue) => topic === undefined || queue.topic === topic)
    },
  } satisfies AllocateStrategy)
}
