/**
 * What the child was told, kept outside the store: a line per acknowledgement, written by a synchronous call right after
 * it. A line is cut off when the kill comes in its middle; then the child was not told either.
 */
import * as fs from 'node:fs'

/** Where the child was when a line was written. */
export type Phase = 'opening' | 'open' | 'closing' | 'closed'

/** A send that was acknowledged. */
export interface AcknowledgedSend {
  readonly topic: string
  readonly queueId: number
  readonly offset: number
  readonly count: number
}

/** The child's side. */
export class LedgerWriter {
  readonly #file: number

  constructor(path: string) {
    this.#file = fs.openSync(path, 'a')
  }

  /** Also told to the parent at once, which may be waiting for this moment. */
  phase(phase: Phase): void {
    this.#write('phase', phase)
    fs.writeSync(process.stdout.fd, `${phase}\n`)
  }

  sent(send: string, { topic, queueId, offset, count }: AcknowledgedSend): void {
    this.#write('sent', send, topic, queueId, offset, count)
  }

  offset(group: string, topic: string, queueId: number, offset: number): void {
    this.#write('offset', group, topic, queueId, offset)
  }

  alarmSet(attempt: number): void {
    this.#write('alarm-set', attempt)
  }

  /** Written before the alarm is cleared: from now on it may be gone. */
  alarmMayGo(attempt: number): void {
    this.#write('alarm-may-go', attempt)
  }

  alarmCleared(attempt: number): void {
    this.#write('alarm-cleared', attempt)
  }

  topicCreated(topic: string): void {
    this.#write('topic-created', topic)
  }

  /** Written before the topic is deleted. */
  topicMayGo(topic: string): void {
    this.#write('topic-may-go', topic)
  }

  topicDeleted(topic: string): void {
    this.#write('topic-deleted', topic)
  }

  /** Written before the listener settles. */
  handled(group: string, messageId: string): void {
    this.#write('handled', group, messageId)
  }

  #write(...words: readonly (string | number)[]): void {
    fs.writeSync(this.#file, `${words.join(' ')}\n`)
  }
}

/** The parent's side: all ledgers of one directory, added up. */
export class Ledger {
  readonly sends = new Map<string, AcknowledgedSend>()
  /** By `group topic queueId`. */
  readonly offsets = new Map<string, number>()
  readonly alarms = new Map<number, 'set' | 'may-go' | 'cleared'>()
  readonly topics = new Map<string, 'created' | 'may-go' | 'deleted'>()
  /** By `group messageId`. */
  readonly handled = new Set<string>()
  phase: Phase = 'closed'

  add(path: string): void {
    if (!fs.existsSync(path)) return
    const lines = fs.readFileSync(path, 'utf8').split('\n')
    lines.pop()
    for (const line of lines) this.#addLine(line.split(' '))
  }

  #addLine([what, ...words]: readonly string[]): void {
    const [first = '', second = '', third, fourth, fifth] = words
    switch (what) {
      case 'phase':
        this.phase = first as Phase
        return
      case 'sent':
        this.sends.set(first, {
          topic: second,
          queueId: Number(third),
          offset: Number(fourth),
          count: Number(fifth),
        })
        return
      case 'offset':
        this.offsets.set(`${first} ${second} ${third}`, Number(fourth))
        return
      case 'alarm-set':
        // It may be cleared before the commit that set it is acknowledged.
        if (!this.alarms.has(Number(first))) this.alarms.set(Number(first), 'set')
        return
      case 'alarm-may-go':
        this.alarms.set(Number(first), 'may-go')
        return
      case 'alarm-cleared':
        this.alarms.set(Number(first), 'cleared')
        return
      case 'topic-created':
        this.topics.set(first, 'created')
        return
      case 'topic-may-go':
        this.topics.set(first, 'may-go')
        return
      case 'topic-deleted':
        this.topics.set(first, 'deleted')
        return
      case 'handled':
        this.handled.add(`${first} ${second}`)
        return
      default:
        throw new Error(`the ledger has a line of unknown kind '${what}'`)
    }
  }
}
