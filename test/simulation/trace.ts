/** Events as lines of text, and a hash of them: two runs are the same when their lines are. */
import { createHash } from 'node:crypto'
import { type FoundQueue, nameOf, placeOf, type Scan, type SimEvent, type Stamp } from './events.ts'

export class Trace {
  readonly #lines: string[] = []

  add({ step, elapsedMs, wallMs, life }: Stamp, event: SimEvent): void {
    const { type, ...fields } = event
    const text = event.type === 'scanned' ? scanInWords(event.scan) : JSON.stringify(fields)
    this.#lines.push(`${step} ${elapsedMs} ${wallMs} L${life} ${type} ${text}`)
  }

  /** `step elapsed wall life type fields`, one for each event. */
  get lines(): readonly string[] {
    return this.#lines
  }

  /** Of all lines. */
  hash(): string {
    return createHash('sha256').update(this.#lines.join('\n')).digest('hex').slice(0, 16)
  }
}

/** A look at the store without the messages, but for the last of each queue: those before it have been seen. */
function scanInWords({ topics, queues, groups, waiting, halves, problems, failures, probes }: Scan): string {
  const found = queues.map(queueInWords)
  const waits = waiting.map(({ copy, deliveryTimestamp }) => `${copy.number}@${deliveryTimestamp}`)
  return JSON.stringify({ topics, queues: found, groups, waits, halves, problems, failures, probes })
}

function queueInWords({ queue, minOffset, maxOffset, copies }: FoundQueue): string {
  const last = copies.at(-1)
  const range = `${nameOf(queue)}:${minOffset}..${maxOffset}`
  return last === undefined ? range : `${range} ${placeOf(last)} ${last.messageId} ${last.storeTimestamp}`
}
