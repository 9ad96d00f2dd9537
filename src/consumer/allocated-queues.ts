/** Asks a strategy for the queues of a member, and refuses an answer that nobody could work with: it is code of the application. */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { ignoreRejection } from '../model/foreign-answers.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'

/** Who asks. */
interface AllocatingMember {
  readonly allocateStrategy: AllocateStrategy
  readonly group: string
  readonly clientId: string
}

/** Some of the queues of one topic; throws when the strategy does, and `INVALID_PARAMETER` when it answers anything else. */
export function allocatedQueues(
  member: AllocatingMember,
  topic: string,
  queues: readonly MessageQueue[],
  ids: readonly string[],
): readonly MessageQueue[] {
  const answer = ask(member, topic, queues, ids)
  const { name } = member.allocateStrategy
  ignoreRejection(answer)
  if (!Array.isArray(answer))
    throw invalidParameter(
      `The strategy '${name}' gave no list of queues of '${topic}' to the group '${member.group}'.`,
    )
  const known = new Map(queues.map((queue) => [queueKey(queue), queue]))
  return answer.map((queue: Partial<MessageQueue> | null | undefined) => {
    const { topic: itsTopic, brokerName, queueId } = queue ?? {}
    const key = `${itsTopic}@${brokerName}@${queueId}`
    const match = known.get(key)
    if (match === undefined)
      throw invalidParameter(
        `The strategy '${name}' gave ${key} to the group '${member.group}', which is no queue of '${topic}'.`,
      )
    return match
  })
}

function ask(
  { allocateStrategy, group, clientId }: AllocatingMember,
  topic: string,
  queues: readonly MessageQueue[],
  ids: readonly string[],
): unknown {
  try {
    return allocateStrategy.allocate(group, clientId, queues, ids)
  } catch (cause) {
    const { code, message } = MQError.from(cause)
    const text = `The strategy '${allocateStrategy.name}' failed for the group '${group}' and the topic '${topic}': ${message}`
    throw new MQError(code, text, { cause })
  }
}
