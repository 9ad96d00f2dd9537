/** Queues are dealt out one by one, as cards are. */
import { type AllocateStrategy, checkAllocateArguments } from './allocate.ts'

/**
 * RocketMQ's `AllocateMessageQueueAveragelyByCircle`: with 8 queues and 3 members the first gets queues 0, 3 and 6, the next 1, 4
 * and 7. It spreads the queues of each broker over the members, where {@link allocateAveragely} gives neighbours away together.
 */
export const allocateAveragelyByCircle: AllocateStrategy = Object.freeze({
  name: 'AVG_BY_CIRCLE',
  allocate(_group, currentId, queues, ids) {
    if (!checkAllocateArguments(currentId, queues, ids)) return []
    const index = ids.indexOf(currentId)
    return queues.filter((_, position) => position % ids.length === index)
  },
} satisfies AllocateStrategy)
