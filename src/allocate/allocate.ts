/**
 * The contract of allocation strategies: which member of a group gets which queues (RocketMQ
 * `AllocateMessageQueueStrategy`). Every member computes the whole answer alone, so a strategy must be a pure function.
 */
import { invalidParameter } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'

/** Decides which queues a member of a group consumes. All members of a group must use the same one. */
export interface AllocateStrategy {
  /** RocketMQ's name of the strategy, such as `AVG`. */
  readonly name: string
  /**
   * The queues of the member `currentId`: some of `queues`, none of them also given to another member.
   *
   * `queues` and `ids` arrive sorted and equal for every member, which is what makes the answers fit together.
   */
  allocate(
    group: string,
    currentId: string,
    queues: readonly MessageQueue[],
    ids: readonly string[],
  ): readonly MessageQueue[]
}

/** Refuses what no strategy can work with; answers whether `currentId` is a member at all. */
export function checkAllocateArguments(
  currentId: string,
  queues: readonly MessageQueue[],
  ids: readonly string[],
): boolean {
  if (currentId === '') throw invalidParameter('The id of the member to allocate for is empty.')
  if (queues.length === 0) throw invalidParameter('There are no queues to allocate.')
  if (ids.length === 0) throw invalidParameter('There are no members to allocate queues to.')
  return ids.includes(currentId)
}
