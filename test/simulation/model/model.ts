/**
 * An account of a run that is kept from events alone, beside the code under test: what was sent and acknowledged, what
 * lies where, how far groups are. A look at the store is compared with it, and then believed, so that one loss is told
 * once; whether the difference was allowed is for the checkers.
 */
import { popRetryTopicOf } from '../../../src/model/topic.ts'
import {
  deliveryIn,
  type FoundTopic,
  nameOf,
  ownerOf,
  type QueueName,
  type Scan,
  type SendCall,
  type SimEvent,
  type Stamp,
} from '../events.ts'
import { DelayBook } from './delays.ts'
import { DeliveryBook, type Unseen } from './deliveries.ts'
import type { GroupProfile } from './group-profile.ts'
import { LifeBook, type LifeRecord, type Moment, mayTakeBack } from './life-book.ts'
import { OffsetBook, type OffsetEntry } from './offsets.ts'
import type { Profile } from './profile.ts'
import { QueueBook, type QueueModel, type Slot } from './queues.ts'
import { recordBytesOf, type Send, SendBook, type SentMessage } from './sends.ts'
import type { Filtered } from './sql-condition.ts'
import { TransactionBook } from './transactions.ts'
import { isWished } from './wishes.ts'

export interface GoneSlot {
  readonly queue: QueueModel
  readonly slot: Slot
}

export interface FoundOffset {
  readonly before: Readonly<OffsetEntry>
  /** Its topic was deleted, and a power cut took that back: nobody kept what was known of it. */
  readonly isUnclear: boolean
  readonly found: number | undefined
  /** The end of the queue. */
  readonly maxOffset: number
}

export interface Trimmed {
  readonly queue: QueueModel
  readonly from: number
  readonly to: number
  readonly slots: readonly Slot[]
}

/** How the store differs from what was known. */
export interface Comparison {
  /** It is the first look since it was opened. */
  readonly isOpening: boolean
  /** The life that a power cut may have taken something from. */
  readonly cutLife: LifeRecord | undefined
  /** Known, neither trimmed nor deleted, and not there. */
  readonly gone: readonly GoneSlot[]
  readonly trimmed: readonly Trimmed[]
  readonly offsets: readonly FoundOffset[]
  /** What groups of simple consumers have passed without having been seen to receive it. */
  readonly unseen: readonly Unseen[]
  /** Sends of which it was unknown whether they are stored. */
  readonly decided: readonly Send[]
}

export class Model {
  readonly profile: Profile
  readonly sends = new SendBook()
  readonly queues = new QueueBook()
  readonly offsets: OffsetBook
  readonly deliveries: DeliveryBook
  readonly delays: DelayBook
  readonly transactions = new TransactionBook(this.queues)
  readonly lives = new LifeBook()
  /** As they were last found or set. */
  readonly topics = new Map<string, FoundTopic>()
  /** Topics whose deletion is on its way, or of which nobody knows whether they are deleted. */
  readonly limbo = new Set<string>()
  readonly groups: ReadonlyMap<string, GroupProfile>
  /** How the last look differed from what was known before it. */
  comparison: Comparison | undefined
  isCalmed = false
  /** The most queues that a topic of this name ever had. */
  readonly #mostQueues = new Map<string, number>()
  /** When topics were deleted last. */
  readonly #deletions = new Map<string, Moment>()
  #lookedAtLife = -1

  constructor(profile: Profile) {
    this.profile = profile
    this.groups = new Map(profile.groups.map((group) => [group.name, group]))
    this.offsets = new OffsetBook(this.groups)
    this.deliveries = new DeliveryBook(this.groups)
    this.delays = new DelayBook(this.sends, profile.flushDiskType === 'SYNC_FLUSH')
  }

  message(number: number): SentMessage | undefined {
    return this.sends.messages.get(number)
  }

  /** Whether a group wants a message: the reference for filters. */
  wants(group: string, message: Filtered): boolean {
    const wish = this.groups.get(group)?.subscriptions.get(message.topic)
    return wish !== undefined && isWished(wish, message)
  }

  /** Whether a group wants what lies in a queue: its retries are wanted whatever they are. */
  wantsSlot(group: string, queue: QueueModel, { number, topic }: Slot): boolean {
    const message = this.message(number)
    return message !== undefined && (queue.name.topic !== topic || this.wants(group, message))
  }

  /** The offset of the first message that a group wants and is known of, from one on; of a lane if it is given. */
  nextWanted(group: string, queue: QueueModel, from: number, lane?: string): number | undefined {
    for (let offset = Math.max(from, queue.minOffset); offset < queue.endOffset; offset++) {
      const slot = queue.slots.get(offset)
      if (slot === undefined || !this.wantsSlot(group, queue, slot)) continue
      if (lane === undefined || lane === this.laneOf(group, slot.number)) return offset
    }
    return undefined
  }

  /** The member, if it has offsets of its own. */
  memberWithOffsets(group: string, member: string): string | undefined {
    return (this.groups.get(group)?.memberNames.length ?? 0) > 0 ? member : undefined
  }

  /** Where the order of message groups is kept: what a message has to wait for is of this name, and of its queue. */
  laneOf(group: string, number: number): string {
    const isGrouped = this.groups.get(group)?.byMessageGroup === true
    return isGrouped ? (this.message(number)?.messageGroup ?? '') : ''
  }

  /** Whose offsets and deliveries they are: a broadcasting member's own, or the group's. */
  ownerOf({ group, member }: { readonly group: string; readonly member: string }): string {
    return ownerOf({ group, member: this.memberWithOffsets(group, member) })
  }

  apply(event: SimEvent, stamp: Stamp): void {
    this.lives.observe(event, stamp)
    this.queues.now = { life: stamp.life, flushCount: this.lives.flushCount }
    this.#applySend(event, stamp)
    this.offsets.observe(event, stamp.elapsedMs)
    this.deliveries.observe(event, stamp, this.queues.now)
    this.delays.observe(event, stamp, this.queues.now)
    this.transactions.observe(event, stamp, this.queues.now)
    for (const copy of deliveryIn(event)?.copies ?? []) this.queues.learn(copy)
    switch (event.type) {
      case 'calmed':
        this.isCalmed = true
        return
      case 'popped':
        for (const { copy } of event.popped) this.queues.learn(copy)
        return
      case 'message-lost':
        // Receives do not say where a queue begins; that it may is for the checker of retention.
        if (event.reason === 'retention') this.queues.current(event.queue)?.trimTo(event.toOffset)
        return
      case 'measured':
      case 'pulled':
        this.queues.current(event.queue)?.trimTo(event.minOffset)
        return
      case 'topic-changing':
        if (event.change === 'delete')
          for (const topic of this.#withRetries(event.topic)) this.limbo.add(topic)
        return
      case 'topic-change-failed':
        for (const topic of this.#withRetries(event.topic)) this.limbo.delete(topic)
        return
      case 'topic-changed':
        this.#changeTopic(event.topic, event.change, event.config)
        return
      case 'scanned':
        this.#compare(event.scan, stamp)
    }
  }

  #applySend(event: SimEvent, { elapsedMs, life }: Stamp): void {
    switch (event.type) {
      case 'identified': {
        const { number, correlationId } = event
        const message = this.sends.messages.get(number)!
        const properties = { ...message.properties, CORRELATION_ID: correlationId }
        this.sends.messages.set(number, { ...message, properties })
        return
      }
      case 'half-sending':
        this.#foreseeTopic(event.transaction.topic)
        return
      case 'sending':
        this.#foreseeTopic(event.send.topic)
        this.sends.begin({
          call: event.send,
          life,
          calledMs: elapsedMs,
          flushesBefore: this.lives.flushCount,
          state: 'pending',
        })
        return
      case 'stored': {
        const { receipt } = event
        const send = this.sends.get(event.send.id)
        // Of a repetition nothing is stored.
        send.state = receipt.isDuplicate === true ? 'absent' : 'stored'
        if (receipt.isDuplicate === true) return
        send.receipt = receipt
        send.storedMs = elapsedMs
        if (receipt.wait !== undefined) return
        const queue = this.queues.at(receipt.label, receipt.queue)
        const { storeTimestamp } = receipt
        event.send.numbers.forEach((number, index) => {
          const bytes = recordBytesOf(this.sends.messages.get(number)!)
          const offset = receipt.offset + index
          const { topic } = event.send
          queue.learn({ offset, number, topic, reconsumeTimes: 0, storeTimestamp, bytes })
        })
        return
      }
      case 'refused':
        this.sends.get(event.send.id).state = event.refusal.outcome === 'unknown' ? 'unknown' : 'absent'
        return
      case 'crashed':
        this.sends.loseAnswers()
    }
  }

  /** A topic, and those of the retries of its messages, which go with it. */
  #withRetries(topic: string): string[] {
    return [topic, ...[...this.groups.keys()].map((group) => popRetryTopicOf(group, topic))]
  }

  #changeTopic(topic: string, change: 'put' | 'delete', config: FoundTopic | undefined): void {
    if (change === 'delete') for (const each of this.#withRetries(topic)) this.#endTopic(each)
    else if (config !== undefined) this.#putTopic(config)
  }

  #putTopic(config: FoundTopic): void {
    this.topics.set(config.topic, config)
    this.#noteQueues(config.topic, shownQueues(config))
  }

  /** A send makes a topic that is not there. */
  #foreseeTopic(topic: string): void {
    if (!this.topics.has(topic) || this.limbo.has(topic))
      this.#noteQueues(topic, this.profile.defaultTopicQueueNums)
  }

  #noteQueues(topic: string, count: number): void {
    this.#mostQueues.set(topic, Math.max(count, this.#mostQueues.get(topic) ?? 0))
  }

  #endTopic(topic: string, moment = this.queues.now): void {
    this.limbo.delete(topic)
    this.topics.delete(topic)
    this.#deletions.set(topic, moment)
    this.queues.endTopic(topic, moment)
    this.offsets.endTopic(topic)
  }

  #compare(scan: Scan, stamp: Stamp): void {
    const { elapsedMs, life } = stamp
    const isOpening = this.#lookedAtLife !== life
    this.#lookedAtLife = life
    const cutLife = isOpening ? this.lives.cutLife : undefined
    const isCut = cutLife !== undefined
    this.#meetTopics(scan, isOpening)
    const revived = cutLife === undefined ? new Set<string>() : this.#takeBackDeletions(scan, cutLife)
    const trimmed: Trimmed[] = []
    const gone: GoneSlot[] = []
    const isFound = new Set<string>()
    for (const found of scan.queues) {
      isFound.add(nameOf(found.queue))
      const queue = this.queues.found(found)
      if (queue === undefined) continue
      const there = new Set(found.copies.map(({ offset }) => offset))
      if (isCut) queue.minOffset = Math.min(queue.minOffset, found.minOffset)
      trimmed.push(...this.#trim(queue, found.minOffset))
      const goneHere = missing(queue, there)
      for (const { slot } of goneHere) queue.forget(slot.offset)
      if (queue.isUnclear) for (const { slot } of goneHere) this.#cutSend(slot)
      else gone.push(...goneHere)
      queue.isUnclear = false
      for (const copy of found.copies) this.queues.learn(copy)
    }
    for (const queue of this.queues.living) {
      if (isFound.has(nameOf(queue.name))) continue
      if (this.isHidden(queue.name)) {
        queue.isUnclear ||= isCut
        continue
      }
      gone.push(...missing(queue, new Set()))
      this.queues.forget(queue)
    }
    for (const { slot } of gone) this.#cutSend(slot)
    const mayBeUnseen = (queue: QueueName): boolean => this.mayBeUnseen(queue)
    this.delays.compare(scan, stamp, { isOpening, cutLife, mayBeUnseen })
    this.transactions.compare(scan, stamp, cutLife, ({ half, call }) =>
      half === undefined ? this.#mayBeUnseen({ ...call, queueId: undefined }) : this.isHidden(half.queue),
    )
    if (cutLife !== undefined) this.deliveries.cut(cutLife)
    const offsets = this.#compareOffsets(scan, { nowMs: elapsedMs, isOpening, isCut, revived })
    this.comparison = {
      isOpening,
      cutLife,
      gone,
      trimmed,
      offsets,
      unseen: this.#findUnseen(offsets),
      decided: this.#decide(scan),
    }
    if (isOpening) {
      this.lives.previous = undefined
      this.deliveries.endOpening()
    }
  }

  #findUnseen(offsets: readonly FoundOffset[]): Unseen[] {
    return offsets.flatMap(({ before, found }) => {
      const group = this.groups.get(before.group)
      const queue = this.queues.current(before.queue)
      if (group?.kind !== 'simple' || group.isOrderly || queue === undefined) return []
      const from = this.offsets.at(before).skippedBelow
      const passed = { from, to: found ?? 0, now: this.queues.now }
      return this.deliveries.findUnseen(group, queue, passed, (slot) =>
        this.wantsSlot(group.name, queue, slot),
      )
    })
  }

  /** Topics that were on their way out are gone or are not. */
  #meetTopics(scan: Scan, isOpening: boolean): void {
    const names = new Set(scan.topics.map(({ topic }) => topic))
    const life = this.lives.previous?.life
    const moment = isOpening && life !== undefined ? { life, flushCount: Infinity } : this.queues.now
    for (const topic of [...this.limbo]) {
      if (names.has(topic)) this.limbo.delete(topic)
      else this.#endTopic(topic, moment)
    }
    this.topics.clear()
    for (const topic of scan.topics) this.#putTopic(topic)
  }

  /**
   * A power cut may take back that a topic was deleted, and with it all that came after; or even that it was made, and
   * then its labels may be given again. Answers the topics that are there again, or may be.
   */
  #takeBackDeletions({ queues }: Scan, cutLife: LifeRecord): Set<string> {
    const deleted = this.queues.deleted.filter(({ deletedAt }) => mayTakeBack(cutLife, deletedAt!))
    const revived = new Set<string>()
    for (const topic of new Set(deleted.map(({ name }) => name.topic))) {
      const found = queues.filter(({ queue }) => queue.topic === topic)
      const labels = new Set(found.flatMap(({ copies }) => copies[0]?.label ?? []))
      const former = deleted.filter(({ name }) => name.topic === topic)
      // Another one is there: the deletion lasted. Of one without messages nobody can tell which it is.
      if (labels.size > 0 && !former.some(({ label }) => labels.has(label))) continue
      if (found.length > 0) {
        revived.add(topic)
        this.#forgetTopic(topic)
      }
      for (const queue of former) {
        if (labels.has(queue.label)) this.queues.revive(queue)
        else this.queues.freeLabel(queue)
      }
    }
    return revived
  }

  /** What came after a deletion that was taken back. */
  #forgetTopic(topic: string): void {
    for (const queue of this.queues.living) {
      if (queue.name.topic !== topic) continue
      for (const slot of queue.slots.values()) this.#cutSend(slot)
      this.queues.forget(queue)
    }
  }

  /** What comes to a queue may lie where nobody can look, or be removed by retention again. */
  mayBeUnseen(queue: QueueName): boolean {
    const known = this.queues.current(queue)
    const { maxAgeMs, maxBytes } = this.profile.retention
    const mayBeTrimmed = known === undefined ? Math.min(maxAgeMs, maxBytes) < Infinity : known.minOffset > 0
    return this.isHidden(queue) || mayBeTrimmed
  }

  /** A topic that has fewer queues than it had keeps the others, unseen. */
  isHidden({ topic, queueId }: QueueName): boolean {
    const known = this.topics.get(topic)
    return known !== undefined && queueId >= shownQueues(known)
  }

  #trim(queue: QueueModel, minOffset: number): Trimmed[] {
    const from = queue.lookedAtMinOffset
    queue.lookedAtMinOffset = minOffset
    if (minOffset <= from) return []
    queue.trimTo(minOffset)
    const slots = [...queue.slots.values()].filter(({ offset }) => offset >= from && offset < minOffset)
    return [{ queue, from, to: minOffset, slots }]
  }

  #cutSend({ number, reconsumeTimes }: Slot): void {
    const send = this.sends.of(number)
    if (send !== undefined && reconsumeTimes === 0 && send.state === 'stored') send.state = 'cut'
  }

  #decide(scan: Scan): Send[] {
    const numbers = new Set(scan.queues.flatMap(({ copies }) => copies.map(({ number }) => number)))
    for (const { copy } of scan.waiting) numbers.add(copy.number)
    return this.sends.decide(
      (number) => numbers.has(number),
      (call) => this.#mayBeUnseen(call),
    )
  }

  /** Its messages may lie in a hidden queue, or be there again when a power cut takes the end of their topic back. */
  #mayBeUnseen({ topic, queueId }: Pick<SendCall, 'topic' | 'queueId'>): boolean {
    const deletion = this.#deletions.get(topic)
    if (deletion !== undefined && mayTakeBack(this.lives.current, deletion)) return true
    const lastQueueId = queueId ?? (this.#mostQueues.get(topic) ?? 0) - 1
    return this.isHidden({ topic, queueId: lastQueueId })
  }

  #compareOffsets(
    scan: Scan,
    when: {
      readonly nowMs: number
      readonly isOpening: boolean
      readonly isCut: boolean
      readonly revived: ReadonlySet<string>
    },
  ): FoundOffset[] {
    const ends = new Map(scan.queues.map(({ queue, maxOffset }) => [nameOf(queue), maxOffset]))
    const found = new Map<OffsetEntry, number>()
    for (const { group, offsets } of scan.groups)
      for (const { member, queue, offset } of offsets)
        found.set(this.offsets.at({ group, member, queue }), offset)
    const all = [...this.offsets.all]
    const seen = all.filter(({ queue }) => !this.isHidden(queue))
    if (when.isCut) for (const entry of all) if (!seen.includes(entry)) this.offsets.forget(entry)
    return seen.map((entry) => {
      const before = { ...entry, asked: new Set(entry.asked), resetting: new Map(entry.resetting) }
      const offset = found.get(entry)
      const isUnclear = when.revived.has(entry.queue.topic)
      this.#noteBeginning(entry, offset)
      this.offsets.found(entry, offset, when)
      if (isUnclear) entry.skippedBelow = offset ?? 0
      return { before, isUnclear, found: offset, maxOffset: ends.get(nameOf(entry.queue)) ?? 0 }
    })
  }

  /** Simple consumers that are new to a queue that has lost its beginning begin with its last message. */
  #noteBeginning(entry: OffsetEntry, found = 0): void {
    const isLate = (this.queues.current(entry.queue)?.minOffset ?? 0) > 0
    if (entry.stored === undefined && isLate && this.groups.get(entry.group)?.kind === 'simple')
      entry.skippedBelow = Math.max(entry.skippedBelow, found)
  }
}

function shownQueues({ readQueueNums, writeQueueNums }: FoundTopic): number {
  return Math.max(readQueueNums, writeQueueNums)
}

function missing(queue: QueueModel, there: ReadonlySet<number>): GoneSlot[] {
  return [...queue.slots.values()]
    .filter(({ offset }) => offset >= queue.minOffset && !there.has(offset))
    .map((slot) => ({ queue, slot }))
}
