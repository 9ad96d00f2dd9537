/** Events as lines of text, and a hash of them: two runs are the same when their lines are. */
import { createHash } from 'node:crypto'
import {
  type Copy,
  type FoundQueue,
  nameOf,
  placeOf,
  type QueueName,
  type SimEvent,
  type Stamp,
} from './events.ts'

export class Trace {
  readonly #lines: string[] = []

  add(stamp: Stamp, event: SimEvent): void {
    this.#lines.push(lineOf(stamp, event))
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  /** Of all lines. */
  hash(): string {
    return createHash('sha256').update(this.#lines.join('\n')).digest('hex').slice(0, 16)
  }
}

function lineOf({ step, elapsedMs, wallMs, life }: Stamp, event: SimEvent): string {
  const { type, ...fields } = event
  return `${step} ${elapsedMs} ${wallMs} L${life} ${type} ${fieldsInWords(fields)}`
}

function fieldsInWords(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${inWords(value)}`)
    .join(' ')
}

function inWords(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map(inWords).join(' ')}]`
  if (value instanceof Map) return inWords([...value])
  if ('deliveryAttempt' in value) return copyInWords(value as Copy)
  if ('copies' in value && 'minOffset' in value) return foundInWords(value as FoundQueue)
  if (isQueueName(value)) return nameOf(value)
  return `{${fieldsInWords(value)}}`
}

function isQueueName(value: object): value is QueueName {
  return 'queueId' in value && Object.keys(value).length === 2
}

function copyInWords(copy: Copy): string {
  const { label, number, deliveryAttempt, storeTimestamp, messageId } = copy
  return `${placeOf(copy)}(${label.slice(4)} #${number} ${deliveryAttempt} ${storeTimestamp} ${messageId})`
}

/** Of all that lies in a queue the last message, and how many there are. */
function foundInWords({ queue, minOffset, maxOffset, copies }: FoundQueue): string {
  const last = copies.at(-1)
  return `${nameOf(queue)}:${minOffset}..${maxOffset}${last === undefined ? '' : ` ${copyInWords(last)}`}`
}
