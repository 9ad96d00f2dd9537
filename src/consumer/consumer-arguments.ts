/** Checks of what applications hand to the methods of consumers. By hand, since some are called for every few messages. */
import { invalidParameter, MQError } from '../model/errors.ts'
import { listOf } from '../model/foreign-answers.ts'
import { inWords } from '../model/in-words.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { checkTopicName } from '../model/topic.ts'

/** Refuses what names no queue; keys beyond those of a queue are let pass. */
export function checkQueue(queue: unknown): asserts queue is MessageQueue {
  if (typeof queue !== 'object' || queue === null)
    throw invalidParameter(
      'The queue must be { topic, brokerName, queueId }, as receipts and messages have it.',
    )
  const { topic, brokerName, queueId } = queue as Partial<MessageQueue>
  checkTopicName(topic)
  if (typeof brokerName !== 'string' || brokerName === '')
    throw invalidParameter(`The queue's brokerName must be a name, not ${String(brokerName)}.`)
  checkNaturalNumber("queue's queueId", queueId)
}

/** Refuses what is no list of queues, or an empty one. */
export function checkQueues(queues: unknown): readonly MessageQueue[] {
  if (!Array.isArray(queues) || queues.length === 0)
    throw invalidParameter('Give the message queues as an array that is not empty.')
  for (const queue of queues) checkQueue(queue)
  return queues
}

/** Refuses an offset that lies outside a queue. */
export function checkSeek(offset: number, min: number, max: number): void {
  if (offset >= min && offset <= max) return
  throw invalidParameter(
    `Seek offset illegal, seek offset = ${offset}, min offset = ${min}, max offset = ${max}.`,
  )
}

function isNaturalNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Refuses what is no offset, count or time. */
export function checkNaturalNumber(what: string, value: unknown): asserts value is number {
  if (isNaturalNumber(value)) return
  throw invalidParameter(`The ${what} must be a whole number from 0 on, not ${inWords(value)}.`)
}

/** Refuses what gives no pairs of a queue and an offset. */
export function checkOffsets(offsets: unknown): readonly (readonly [queue: MessageQueue, offset: number])[] {
  const pairs = listOf(offsets)
  if (pairs === undefined || !pairs.every(Array.isArray))
    throw invalidParameter('commit: give the offsets as a Map from queue to offset, or as pairs of both.')
  return pairs.map(([queue, offset]) => {
    checkQueue(queue)
    checkNaturalNumber('offset', offset)
    return [queue, offset]
  })
}

/** Refuses what lacks something of a message: a copy made by spreading has none of the fields that are decoded when they are read. */
export function checkPulledMessage(message: unknown): asserts message is MessageView {
  if (typeof message === 'object' && message !== null && isWhole(message)) return
  throw invalidParameter('sendMessageBack: give a message that was pulled, and no copy of it.')
}

function isWhole(message: object): boolean {
  try {
    return hasEverything(message)
  } catch {
    // Fields of a message work on the message itself only.
    return false
  }
}

function hasEverything(message: Partial<MessageView>): boolean {
  const { messageId, offsetMessageId, topic, body, keys, properties, tag, messageGroup } = message
  const texts = [messageId, offsetMessageId, topic, tag ?? '', messageGroup ?? '']
  const isText = (value: unknown): boolean => typeof value === 'string'
  return (
    Buffer.isBuffer(body) &&
    Array.isArray(keys) &&
    typeof properties === 'object' &&
    properties !== null &&
    [...texts, ...keys, ...Object.values(properties)].every(isText) &&
    [message.reconsumeTimes, message.bornTimestamp].every(isNaturalNumber)
  )
}

/** Milliseconds to wait, also without end. */
export function checkTimeout(value: unknown): asserts value is number {
  if (typeof value === 'number' && value >= 0) return
  throw invalidParameter(`timeoutMs must not be negative and must be a number, not ${String(value)}.`)
}

/** What a call is refused with when its signal has fired. */
export function aborted(signal: AbortSignal): MQError {
  return new MQError('ABORTED', 'The signal has fired.', { cause: signal.reason })
}

export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw invalidParameter('The signal must be an AbortSignal.')
}

/** Refuses options of a method that it does not know, and what is no options at all. */
export function checkKnown<Options extends object>(
  options: Options,
  ...known: (keyof Options & string)[]
): Options {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidParameter(`Give the options as an object, such as { ${known[0]}: 1000 }.`)
  const unknown = Object.keys(options).find((key) => !(known as string[]).includes(key))
  if (unknown === undefined) return options
  throw invalidParameter(`There is no option '${unknown}'; there is ${known.join(', ')}.`)
}
