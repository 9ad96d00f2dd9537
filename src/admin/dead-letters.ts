/** Looking at dead letters and sending them again (semantics section 9.3). A dead letter stays where it is. */
import { type RandomSource, randomBelow } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageIdGenerator } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { prepareMessage } from '../model/outgoing-message.ts'
import { isReservedProperty, PropertyName } from '../model/properties.ts'
import { queueOfMessageGroup, queueOfPriority, takingQueues } from '../model/queue-choice.ts'
import type { SendReceipt, TopicRoute } from '../model/results.ts'
import { deadLetterTopicOf } from '../model/topic.ts'
import type { CompleteOffsetRange } from './admin-arguments.ts'
import { readQueue } from './read-messages.ts'

/** The producer group of what operators send (RocketMQ names its tools so). */
const PRODUCER_GROUP = 'TOOLS_PRODUCER'
const TIMEOUT_MS = 3000

/** What became of several dead letters. */
export interface ResendReport {
  readonly resentCount: number
  /** Where to go on: the offset behind the last dead letter that was sent again. */
  readonly nextOffset: number
}

/** The dead letters of a group; none when it has no dead-letter topic yet. */
export async function readDeadLetters(
  engine: Engine,
  group: string,
  range: CompleteOffsetRange,
): Promise<readonly MessageView[]> {
  const queue = await findQueue(engine, group)
  return queue === undefined ? [] : readQueue(engine, queue, range)
}

/** The dead letter at an offset. */
export async function viewDeadLetter(engine: Engine, group: string, offset: number): Promise<MessageView> {
  const queue = await findQueue(engine, group)
  if (queue === undefined) throw new MQError('NO_MESSAGE', `The group '${group}' has no dead letters.`)
  return engine.viewMessage(queue, offset)
}

/** Sends a dead letter as a new message to the topic that it came from. */
export async function resend(
  engine: Engine,
  ids: MessageIdGenerator,
  group: string,
  letter: MessageView,
): Promise<SendReceipt> {
  if (letter.queue.topic !== deadLetterTopicOf(group)) {
    throw invalidParameter(`The message ${letter.messageId} is no dead letter of '${group}'.`)
  }
  const topic = letter.properties[PropertyName.RETRY_TOPIC] ?? letter.topic
  const { body, tag, keys, messageGroup, priority, properties } = letter
  const own = Object.fromEntries(Object.entries(properties).filter(([name]) => !isReservedProperty(name)))
  const again = { topic, body, tag, keys, messageGroup, priority, properties: own }
  const message = prepareMessage(again, ids.next(), engine.clock.now())
  const route = await engine.publishRoute(topic)
  return engine.sendMessage({
    producerGroup: PRODUCER_GROUP,
    queue: queueFor(route, letter, engine.random),
    messages: message,
    timeoutMs: TIMEOUT_MS,
  })
}

function queueFor(
  route: TopicRoute,
  { messageGroup, priority }: MessageView,
  random: RandomSource,
): MessageQueue {
  if (messageGroup !== undefined) return queueOfMessageGroup(route, messageGroup)
  if (route.priority === true) return queueOfPriority(route, priority)
  const queues = takingQueues(route)
  return queues[randomBelow(random, queues.length)]!
}

/** Sends dead letters again, one after the other; stops at the first that cannot be sent and names it. */
export async function resendAll(
  engine: Engine,
  ids: MessageIdGenerator,
  group: string,
  range: CompleteOffsetRange,
): Promise<ResendReport> {
  let resentCount = 0
  let nextOffset = range.offset ?? 0
  for (const letter of await readDeadLetters(engine, group, range)) {
    try {
      await resend(engine, ids, group, letter)
    } catch (error) {
      const { code, message } = MQError.from(error)
      const text = `The dead letter at offset ${letter.queueOffset} was not sent, ${resentCount} before it were: ${message}`
      throw new MQError(code, text, { cause: error })
    }
    resentCount += 1
    nextOffset = letter.queueOffset + 1
  }
  return { resentCount, nextOffset }
}

/** The one queue of the dead-letter topic. Its route would hide it, since applications may not read it. */
async function findQueue(engine: Engine, group: string): Promise<MessageQueue | undefined> {
  try {
    const [status] = await engine.queryTopicStatus(deadLetterTopicOf(group))
    return status?.queue
  } catch (error) {
    if (error instanceof MQError && error.code === 'TOPIC_NOT_EXIST') return undefined
    throw error
  }
}
