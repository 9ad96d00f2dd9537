/**
 * What lies in the log of the store, as far as retention by bytes counts it. There is one log for all queues, and nothing
 * leaves it but by generations: messages of a topic that was deleted count on, and so do those of hidden queues.
 */
import type { Scan, SimEvent, Stamp } from '../events.ts'
import type { Comparison, Model } from './model.ts'
import type { QueueModel, Slot } from './queues.ts'
import { recordBytesOf } from './sends.ts'

/** Of a batch, which holds at least one message (docs/format.md). */
const BATCH_HEADER_BYTES = 32
/** Of a batch, and of what a transaction that is given up has besides its message. */
const GIVEN_UP_BYTES = 300
/** A message with the largest body that is sent, and all that a retry adds. */
const LARGEST_RECORD_BYTES = 21_000

/** A send of which nobody was told that it is stored, or that it is not. */
interface OpenSend {
  readonly topic: string
  readonly bytes: number
  /** It was not stored later than this. */
  latestMs: number
  /** Its topic was changed or deleted: looks at the store need not show it. */
  isVeiled: boolean
}

/** The lowest offset of every queue when it was last looked at, by label. */
type Minimums = ReadonlyMap<string, number>

export class LogAccount {
  readonly #model: Model
  readonly #openSends = new Map<number, OpenSend>()
  /** Those of messages that waited for their time when the store was last looked at. */
  readonly #waiting = new Set<number>()
  /** What halves of transactions may have brought into the log, by number. */
  readonly #halves = new Map<number, number>()
  /** Those that were open when the store was last looked at. */
  readonly #openHalves = new Set<number>()
  /** The latest that the wall clock ever showed: store times do not go back with it. */
  #latestMs = 0
  #minimums: Minimums = new Map()
  /** Of each queue, as they were when that queue was last seen. */
  readonly #minimumsOf = new Map<string, Minimums>()

  constructor(model: Model) {
    this.#model = model
  }

  observe(event: SimEvent, { wallMs }: Stamp): void {
    this.#latestMs = Math.max(this.#latestMs, wallMs)
    switch (event.type) {
      case 'sending': {
        const { id, topic, numbers } = event.send
        const sizes = numbers.map((number) => recordBytesOf(this.#model.message(number)!))
        const bytes = sizes.reduce((sum, size) => sum + size + BATCH_HEADER_BYTES, 0)
        this.#openSends.set(id, { topic, bytes, latestMs: Infinity, isVeiled: false })
        return
      }
      case 'half-sending': {
        const { number } = event.transaction
        this.#halves.set(number, recordBytesOf(this.#model.message(number)!) + GIVEN_UP_BYTES)
        return
      }
      case 'stored':
        // What waits comes into the log some time later.
        if (event.receipt.wait === undefined) this.#openSends.delete(event.send.id)
        return
      case 'refused':
        if (event.refusal.outcome === 'unknown') this.#end(this.#openSends.get(event.send.id)!)
        else this.#openSends.delete(event.send.id)
        return
      case 'opened':
        for (const send of this.#openSends.values()) this.#end(send)
        return
      case 'topic-changing':
        for (const send of this.#openSends.values()) if (send.topic === event.topic) send.isVeiled = true
        return
      case 'scanned':
        this.#noteDelayed()
        this.#noteHalves()
        // What they left in the log was found.
        for (const [id, send] of this.#openSends)
          if (send.latestMs !== Infinity && !send.isVeiled) this.#openSends.delete(id)
    }
  }

  /** What waits is not in the log, and what has come lies in its queue. */
  #noteDelayed(): void {
    this.#waiting.clear()
    for (const { before, waiting, isInQueue } of this.#model.delays.found) {
      const { id } = before.send.call
      if (isInQueue) this.#openSends.delete(id)
      else if (waiting !== undefined) this.#waiting.add(id)
    }
  }

  /** What is open is not in the log, and what is in a queue is known from there. */
  #noteHalves(): void {
    this.#openHalves.clear()
    for (const { before, half, queued, parked } of this.#model.transactions.found) {
      const { number } = before.call
      const isRolledBack = before.ended?.end === 'ROLLBACK' || before.asked.COMMIT === 0
      if (half !== undefined) this.#openHalves.add(number)
      else if (queued.length + parked.length > 0 || (isRolledBack && before.state !== 'pending'))
        this.#halves.delete(number)
    }
  }

  /** What the log held at most from a message on that retention has removed since it was last looked at. */
  bytesFrom(queue: QueueModel, first: Slot): number {
    const minimums = this.#minimumsOf.get(queue.label)
    let bytes = 0
    for (const [id, { latestMs, bytes: open }] of this.#openSends)
      if (latestMs >= first.storeTimestamp && !this.#waiting.has(id)) bytes += open
    for (const [number, half] of this.#halves) if (!this.#openHalves.has(number)) bytes += half
    for (const each of this.#model.queues.all) {
      // What was gone by then lay before it; what has its store time may be of its commit.
      const lowest = minimums?.get(each.label) ?? 0
      for (const slot of each.slots.values())
        if (slot.offset >= lowest && slot.storeTimestamp >= first.storeTimestamp)
          bytes += slot.bytes + BATCH_HEADER_BYTES
    }
    return bytes
  }

  /** What came and went between two looks without anybody seeing it, at most. */
  unseenBytes({ queues }: Scan, { trimmed }: Comparison): number {
    let count = 0
    for (const { from, to, slots } of trimmed) count += to - from - slots.length
    for (const { queue, minOffset } of queues)
      if (this.#model.queues.current(queue) === undefined) count += minOffset
    return count * (LARGEST_RECORD_BYTES + BATCH_HEADER_BYTES)
  }

  /** After what was found is judged. */
  noteLook({ queues }: Scan): void {
    const found = queues.map(({ queue, minOffset }) => [this.#model.queues.current(queue)?.label, minOffset])
    const known = found.filter((each): each is [string, number] => each[0] !== undefined)
    this.#minimums = new Map([...this.#minimums, ...known])
    for (const [label] of known) this.#minimumsOf.set(label, this.#minimums)
  }

  #end(send: OpenSend): void {
    send.latestMs = Math.min(send.latestMs, this.#latestMs)
  }
}
