/** What was sent, and what became of it as far as anybody was told. */
import type { SendDelay } from '../delay-events.ts'
import type { Receipt, SendCall } from '../events.ts'

/** Before tag, keys, properties and body. */
const RECORD_HEADER_BYTES = 44

/** A message as its sender made it. */
export interface SentMessage {
  readonly number: number
  readonly topic: string
  readonly body: string
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly messageGroup: string | undefined
  readonly properties: Readonly<Record<string, string>>
  readonly bornTimestamp: number
  readonly delay?: SendDelay
}

/**
 * `pending`: nobody was told yet. `stored`: acknowledged, or found. `absent`: refused with the word that nothing is stored,
 * or not found after all. `unknown`: nobody can know before the store is looked at. `cut`: a power cut took it.
 */
export type SendState = 'pending' | 'stored' | 'absent' | 'unknown' | 'cut'

export interface Send {
  readonly call: SendCall
  readonly life: number
  readonly calledMs: number
  /** The count of the disk's flushes when it was called. */
  readonly flushesBefore: number
  state: SendState
  receipt?: Receipt
  storedMs?: number
}

export class SendBook {
  readonly #sends = new Map<number, Send>()
  readonly #byNumber = new Map<number, Send>()
  readonly messages = new Map<number, SentMessage>()

  get all(): Iterable<Send> {
    return this.#sends.values()
  }

  begin(send: Send): void {
    this.#sends.set(send.call.id, send)
    for (const number of send.call.numbers) this.#byNumber.set(number, send)
  }

  get(id: number): Send {
    return this.#sends.get(id)!
  }

  of(number: number): Send | undefined {
    return this.#byNumber.get(number)
  }

  /** The machine stopped: who waited was never told. */
  loseAnswers(): void {
    for (const send of this.#sends.values()) if (send.state === 'pending') send.state = 'unknown'
  }

  /**
   * A look at the store tells what became of the sends that nobody knew of, but for those whose messages may lie where
   * nobody can look. Answers them.
   */
  decide(isThere: (number: number) => boolean, mayBeUnseen: (call: SendCall) => boolean): Send[] {
    const decided: Send[] = []
    for (const send of this.#sends.values()) {
      if (send.state !== 'unknown') continue
      const isFound = send.call.numbers.some(isThere)
      if (!isFound && mayBeUnseen(send.call)) continue
      send.state = isFound ? 'stored' : 'absent'
      decided.push(send)
    }
    return decided
  }
}

/** What its record takes in the log (docs/format.md). */
export function recordBytesOf({
  tag = '',
  keys,
  messageGroup,
  properties,
  body,
  delay,
}: SentMessage): number {
  const own = [...Object.entries(properties).flat(), ...delayPair(delay)]
  const pairs = messageGroup === undefined ? own : [...own, '__SHARDINGKEY', messageGroup]
  const texts = [tag, keys.join(' '), body, ...pairs]
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), RECORD_HEADER_BYTES + 2 * pairs.length)
}

function delayPair({ delayTimeLevel, deliveryTimestamp }: Partial<SendDelay> = {}): string[] {
  if (delayTimeLevel !== undefined) return ['DELAY', String(delayTimeLevel)]
  return deliveryTimestamp === undefined ? [] : ['TIMER_DELIVER_MS', String(deliveryTimestamp)]
}
