/**
 * The handle of a delayed message (RocketMQ `RecallMessageHandle`, semantics section 10.3): version, topic, broker, time,
 * message id, and, which RocketMQ has not, the alarm. Base64 for URLs, so that it passes through anything.
 */
import { MQError } from '../model/errors.ts'
import { inWords } from '../model/in-words.ts'
import type { Alarm } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'

const VERSION = 'v1'
const WORD_COUNT = 6

export interface RecallHandle {
  readonly topic: string
  readonly brokerName: string
  readonly deliveryTimestamp: number
  readonly messageId: string
  readonly alarmId: number
}

/** The handle of a message that waits with an alarm. */
export function recallHandleOf(alarm: Alarm, { queue }: QueueLog, messageId: string): string {
  const { topic, brokerName } = queue
  const text = [VERSION, topic, brokerName, alarm.dueTimestamp, messageId, alarm.id].join(' ')
  return Buffer.from(text).toString('base64url')
}

/** Throws `ILLEGAL_OPERATION` for what no broker gave. */
export function parseRecallHandle(text: string): RecallHandle {
  const words = Buffer.from(text, 'base64url').toString().split(' ')
  const [version, topic = '', brokerName = '', time, messageId = '', id] = words
  const deliveryTimestamp = Number(time)
  const alarmId = Number(id)
  const given = [VERSION, topic, brokerName, deliveryTimestamp, messageId, alarmId].join(' ')
  const isOurs = version === VERSION && words.length === WORD_COUNT && given === words.join(' ')
  // Decoding passes over what is no letter of base64, and a number can be written in several ways: a message has one handle.
  const isWrittenByUs = Buffer.from(given).toString('base64url') === text
  const areNumbers = Number.isSafeInteger(deliveryTimestamp) && Number.isSafeInteger(alarmId)
  if (!isOurs || !isWrittenByUs || !areNumbers)
    throw new MQError(
      'ILLEGAL_OPERATION',
      `${inWords(text)} is not a recall handle; a delayed send answers one.`,
    )
  return { topic, brokerName, deliveryTimestamp, messageId, alarmId }
}
