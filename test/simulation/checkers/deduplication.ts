/**
 * 3. Repetitions: of all sends with one id to one topic within the window one is stored, also over restarts and crashes; the others are
 * answered with its receipt. Behind the window the id is free again: who sends then is stored.
 *
 * The window counts from the time at which a message was stored, by the clock of the broker, and finds what is still stored.
 * One that failed does not count, and one that a power cut took does not either.
 */
import {
  nameOf,
  placeOf,
  type Receipt,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { type ClockSpan, ClockSpans } from '../model/clock-spans.ts'
import type { Send } from '../model/sends.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** A repetition, and what it was told. */
interface Told {
  readonly id: number
  readonly messageId: string
  readonly topic: string
  readonly receipt: Receipt
}

export class Deduplication implements Checker {
  readonly #host: CheckerHost
  readonly #spans = new ClockSpans()
  readonly #spanOf = new Map<number, ClockSpan>()
  /** Sends that were stored, by topic and id. */
  readonly #stored = new Map<string, Send[]>()
  #told: Told[] = []
  /** Of topics, by name; and how many there were when a send was called. */
  readonly #deletions = new Map<string, number>()
  readonly #deletionsAtCall = new Map<number, number>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { wallMs }: Stamp): void {
    switch (event.type) {
      case 'jumping':
        this.#spans.jump(wallMs, event.byMs)
        return
      case 'topic-changing':
      case 'topic-changed':
        if (event.change === 'delete')
          this.#deletions.set(event.topic, (this.#deletions.get(event.topic) ?? 0) + 1)
        return
      case 'sending':
        this.#deletionsAtCall.set(event.send.id, this.#deletions.get(event.send.topic) ?? 0)
        if (event.send.messageId !== undefined)
          this.#spanOf.set(event.send.id, this.#spans.begin(event.send.id, wallMs))
        return
      case 'refused':
        this.#spans.end(event.send.id, wallMs)
        return
      case 'stored':
        this.#checkAnswer(event, wallMs)
        return
      case 'crashed':
        this.#spans.endAll(wallMs)
        return
      case 'scanned':
        this.#checkTold(event.scan)
        this.#checkOnce(event.scan)
    }
  }

  #checkAnswer({ send: { id, messageId, topic }, receipt }: SimEventOf<'stored'>, wallMs: number): void {
    if (messageId === undefined) {
      if (receipt.isDuplicate === true) this.#violate(`send ${id} has no id and is told to be a repetition`)
      return
    }
    const span = this.#spans.end(id, wallMs)
    if (receipt.isDuplicate === true) {
      this.#checkWindow(id, receipt, span)
      this.#checkQueue(id, topic, receipt)
      this.#told.push({ id, messageId, topic, receipt })
      return
    }
    this.#checkFirst(id, messageId, topic, receipt, span)
  }

  /** A repetition is one only while the window of the first is open. */
  #checkWindow(id: number, receipt: Receipt, { from }: ClockSpan): void {
    const ageMs = from - receipt.storeTimestamp
    const { deduplicationWindowMs } = this.#host.profile.delays
    if (ageMs >= deduplicationWindowMs)
      this.#violate(
        `send ${id} is told to be the repetition of one that was stored ${ageMs} ms before, at ${nameOf(receipt.queue)}:${receipt.offset}`,
      )
  }

  /** What went with its topic is not there any more. */
  #checkQueue(id: number, topic: string, { label, queue, offset }: Receipt): void {
    const isSame = this.#deletionsAtCall.get(id) === (this.#deletions.get(topic) ?? 0)
    if (isSame && this.#host.model.queues.byLabel(label)?.isDeleted === true)
      this.#violate(`send ${id} is told to repeat ${nameOf(queue)}:${offset} of a topic that was deleted`)
  }

  /** What is stored is the first within the window; where nothing can have taken an earlier one away. */
  #checkFirst(id: number, messageId: string, topic: string, receipt: Receipt, span: ClockSpan): void {
    const { model, profile } = this.#host
    const key = `${topic} ${messageId}`
    const before = this.#stored.get(key) ?? []
    const send = model.sends.get(id)
    this.#stored.set(key, [...before, send])
    const { maxAgeMs, maxBytes } = profile.retention
    if (maxAgeMs !== Infinity || maxBytes !== Infinity || model.limbo.has(topic)) return
    for (const each of before) {
      const queue = model.queues.byLabel(each.receipt?.label ?? '')
      if (each.state !== 'stored' || each.receipt === undefined || queue?.isDeleted !== false) continue
      // When it was looked for, the clock may have shown anything of this.
      const ageMs = span.to - each.receipt.storeTimestamp
      if (ageMs < profile.delays.deduplicationWindowMs)
        this.#violate(
          `send ${id} is stored at ${nameOf(receipt.queue)}:${receipt.offset} although send ${each.call.id} was, ${ageMs} ms before`,
        )
    }
  }

  /** What a repetition was told lies there, and has its id. */
  #checkTold({ queues }: Scan): void {
    const { comparison } = this.#host.model
    for (const { id, messageId, topic, receipt } of this.#told) {
      const { label, offset } = receipt
      const copies = queues.flatMap((queue) => queue.copies)
      const copy = copies.find((each) => each.label === label && each.offset === offset)
      const place = `${nameOf(receipt.queue)}:${offset}`
      if (copy === undefined) {
        this.#checkGone(id, receipt, place)
        continue
      }
      if (copy.messageId !== messageId || copy.topic !== topic || copy.queue.topic !== topic)
        this.#violate(`send ${id} was told to repeat ${placeOf(copy)}, which is message ${copy.number}`)
      else if (copy.storeTimestamp !== receipt.storeTimestamp)
        this.#violate(`send ${id} was told that ${place} was stored at ${receipt.storeTimestamp}`)
    }
    if (comparison !== undefined) this.#told = []
  }

  #checkGone(id: number, { label, offset, queue: name, status }: Receipt, place: string): void {
    const { model, profile } = this.#host
    const queue = model.queues.byLabel(label)
    if (queue === undefined || queue.isDeleted || model.isHidden(name) || offset < queue.minOffset) return
    const isSafe = profile.flushDiskType === 'SYNC_FLUSH' && status === 'SEND_OK'
    if (model.comparison?.cutLife !== undefined && !isSafe) return
    this.#violate(`send ${id} was told to repeat ${place}, where nothing lies`)
  }

  /** Whatever was answered: of one topic and id no two are stored within the window. */
  #checkOnce({ queues }: Scan): void {
    const { model, profile } = this.#host
    const latest = new Map<
      string,
      { readonly storeTimestamp: number; readonly place: string; readonly send: number }
    >()
    const copies = queues.flatMap((queue) => queue.copies)
    const once = copies.filter(({ number, queue }) => {
      const call = model.sends.of(number)?.call
      return call?.messageId !== undefined && call.topic === queue.topic
    })
    for (const copy of once.sort((a, b) => a.storeTimestamp - b.storeTimestamp)) {
      const key = `${copy.topic} ${copy.messageId}`
      const { id } = model.sends.of(copy.number)!.call
      const former = latest.get(key)
      latest.set(key, { storeTimestamp: copy.storeTimestamp, place: placeOf(copy), send: id })
      if (former === undefined) continue
      const betweenMs = copy.storeTimestamp - former.storeTimestamp
      if (betweenMs < profile.delays.deduplicationWindowMs && !this.#wasSetBack(id))
        this.#violate(`${former.place} and ${placeOf(copy)} have one id, ${betweenMs} ms apart`)
    }
  }

  /** Behind the look for a first one: then the store time may be earlier than what the clock showed. */
  #wasSetBack(id: number): boolean {
    const span = this.#spanOf.get(id)
    return span?.wasSetBack === true
  }

  #violate(story: string): void {
    this.#host.violate(3, story)
  }
}
