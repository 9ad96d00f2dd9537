/** Contiguous blocks of equal size; the first members get one queue more when there is a remainder. */
import { type AllocateStrategy, checkAllocateArguments } from './allocate.ts'

/**
 * RocketMQ's default strategy (`AllocateMessageQueueAveragely`): with 8 queues and 3 members they get 3, 3 and 2
 * neighbouring queues. Members beyond the number of queues get none.
 */
export const allocateAveragely: AllocateStrategy = Object.freeze({
  name: 'AVG',
  allocate(_group, currentId, queues, ids) {
    if (!checkAllocateArguments(currentId, queues, ids)) return []
    const index = ids.indexOf(currentId)
    const blockCount = Math.floor(queues.length / ids.length)
    const remainder = queues.length % ids.length
    const start = index * blockCount + Math.min(index, remainder)
    return queues.slice(start, start + blockCount + (index < remainder ? 1 : 0))
  },
} satisfies AllocateStrategy)
