/** Asks a strategy for the queues of a member, and refuses an answer that nobody could work with: it is code of the application. */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { invalidParameter } from '../model/errors.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'

/** Who asks. */
interface AllocatingMember {
  readonly allocateStrategy: AllocateStrategy
  readonly group: string
  readonly clientId: string
}

/** Some of the queues of one topic; throws `INVALID_PARAMETER` when the strategy answers anything else. */
export function allocatedQueues(
  { allocateStrategy, group, clientId }: AllocatingMember,
  topic: string,
  queues: readonly MessageQueue[],
  ids: readonly string[],
): readonly MessageQueue[] {
  const answer: unknown = allocateStrategy.allocate(group, clientId, queues, ids)
  const { name } = allocateStrategy
  if (!Array.isArray(answer))
    throw invalidParameter(`The strategy '${name}' gave no list of queues of '${topic}'.`)
  const known = new Map(queues.map((queue) => [queueKey(queue), queue]))
  return answer.map((queue: Partial<MessageQueue> | null | undefined) => {
    const { topic: itsTopic, brokerName, queueId } = queue ?? {}
    const key = `${itsTopic}@${brokerName}@${queueId}`
    const match = known.get(key)
    if (match === undefined)
      throw invalidParameter(`The strategy '${name}' gave ${key}, which is no queue of '${topic}'.`)
    return match
  })
}
