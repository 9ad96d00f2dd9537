/**
 * The offset message id: 32 upper-case hex characters that address the stored record itself, as in RocketMQ.
 * There it is store host, port and commit log offset; an embedded store has no address, so ours holds the
 * identity of the queue (8 bytes, never reused, also not after the topic is deleted) and the queue offset (8 bytes).
 */
import { invalidParameter, MQError } from './errors.ts'

const ID_PATTERN = /^[0-9A-F]{32}$/

/** Where a record lies. */
export interface RecordAddress {
  /** The identity of the queue in its store. */
  readonly queueUid: number
  readonly queueOffset: number
}

export function formatOffsetMessageId(queueUid: number, queueOffset: number): string {
  return (queueUid.toString(16).padStart(16, '0') + queueOffset.toString(16).padStart(16, '0')).toUpperCase()
}

export function isOffsetMessageId(text: string): boolean {
  return ID_PATTERN.test(text)
}

/** Refuses anything else with `INVALID_PARAMETER`, and what only another system can have given with `NO_MESSAGE`. */
export function parseOffsetMessageId(text: string): RecordAddress {
  if (!isOffsetMessageId(text))
    throw invalidParameter(`'${text}' is not an offset message id of 32 hex characters.`)
  const queueUid = Number.parseInt(text.slice(0, 16), 16)
  const queueOffset = Number.parseInt(text.slice(16), 16)
  // RocketMQ's own hold an address and a port, which is more than the identity of a queue here can be.
  if (!Number.isSafeInteger(queueUid) || !Number.isSafeInteger(queueOffset))
    throw new MQError('NO_MESSAGE', `No message has the offset message id ${text}; no store here gave it.`)
  return { queueUid, queueOffset }
}
