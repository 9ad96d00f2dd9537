/** Why something is refused before it is planned: in the writer it would take down a whole group, with messages of others. */
import { invalidParameter, MQError } from '../model/errors.ts'
import { U48_MAX } from './keyspace.ts'
import type { QueueLog } from './queue-log.ts'

export function topicDeleted(log: QueueLog): MQError {
  const text = `The topic '${log.queue.topic}' is being deleted.`
  return new MQError('TOPIC_NOT_EXIST', text, { outcome: 'not-attempted' })
}

export function aborted(signal: AbortSignal): MQError {
  const text = 'The send was aborted before it began.'
  return new MQError('ABORTED', text, { cause: signal.reason, outcome: 'not-attempted' })
}

/** Throws `INVALID_PARAMETER` for what the journal has no room for. */
export function checkU48(what: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= U48_MAX) return
  throw invalidParameter(`The ${what} must be a whole number from 0 to ${U48_MAX}, not ${value}.`)
}
