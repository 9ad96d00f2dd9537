/**
 * What simple consumers received, as far as anybody was told: who has which message until when, what was acknowledged, and
 * what became unclear because a machine stopped or an answer said that nobody knows.
 */
import type { PoppedCopy, SettleCall } from '../consumer-events.ts'
import type { QueueName, SimEvent, SimEventOf, Stamp } from '../events.ts'
import type { GroupProfile } from './group-profile.ts'
import { type LifeRecord, type Moment, mayTakeBack } from './life-book.ts'
import type { QueueModel, Slot } from './queues.ts'

/** One delivery of one message to a group. */
export interface Delivery {
  readonly group: string
  readonly queue: QueueName
  readonly label: string
  readonly offset: number
  readonly number: number
  /** Where it was sent to. */
  readonly topic: string
  readonly attempt: number
  readonly poppedAt: Moment
  /** Of resets of its topic, when it was received. */
  readonly resetCount: number
  readonly firstHandle: string
  /** The one that counts now, and the life in which it was given. */
  handle: string
  handleLife: number
  visibleTimestamp: number
  /** The latest that the wall clock was seen to be since. */
  latestTimestamp: number
  isAcked: boolean
  settledAt: Moment | undefined
  /** When a reset ended it, which happens in FIFO groups. */
  voidAt: Moment | undefined
  /** What has become of it nobody knows. */
  isUnclear: boolean
}

/** Messages that are passed and that nobody was seen to receive. */
export interface Unseen {
  readonly group: string
  readonly queue: QueueModel
  readonly offset: number
  readonly number: number
  /** A receive was under way when the machine stopped: it may have been the one. */
  readonly isExcused: boolean
}

export class DeliveryBook {
  readonly #groups: ReadonlyMap<string, GroupProfile>
  readonly #byHandle = new Map<string, Delivery>()
  /** The last one of each, by group and place. */
  readonly #byPlace = new Map<string, Delivery>()
  readonly #byNumber = new Map<string, Delivery[]>()
  readonly #resetCounts = new Map<string, number>()
  /** Receives that are under way, by id. */
  readonly #popping = new Map<number, string>()
  readonly #settling = new Map<number, SettleCall>()
  /** Groups that had receives under way when the machine stopped last. */
  #interrupted: ReadonlySet<string> = new Set()
  /** How often that happened. */
  readonly #interruptions = new Map<string, number>()

  constructor(groups: ReadonlyMap<string, GroupProfile>) {
    this.#groups = groups
  }

  byHandle(handle: string): Delivery | undefined {
    return this.#byHandle.get(handle)
  }

  /** The last one of the message at this place. */
  last(group: string, label: string, offset: number): Delivery | undefined {
    return this.#byPlace.get(placeKey(group, label, offset))
  }

  /** Those of a message, also of its retries; the oldest first. */
  of(group: string, number: number): readonly Delivery[] {
    return this.#byNumber.get(`${group}@${number}`) ?? []
  }

  ofGroup(group: string): Delivery[] {
    return [...this.#byPlace.values()].filter((delivery) => delivery.group === group)
  }

  resetCountOf(group: string, topic: string): number {
    return this.#resetCounts.get(`${group}@${topic}`) ?? 0
  }

  /** Receives of a group whose answers were lost, as many as there can have been for one message. */
  interruptionsOf(group: string): number {
    return this.#interruptions.get(group) ?? 0
  }

  /** Whether its time was over at some moment: then it may be visible, though the clock was set back. */
  isDue({ latestTimestamp, visibleTimestamp }: Delivery, wallMs: number): boolean {
    return Math.max(latestTimestamp, wallMs) >= visibleTimestamp
  }

  /** Whether a settlement of it is under way, besides the one with this id. */
  isSettling(delivery: Delivery, id?: number): boolean {
    return [...this.#settling.values()].some(
      (settle) =>
        settle.id !== id && settle.handles.some((handle) => this.#byHandle.get(handle) === delivery),
    )
  }

  observe(event: SimEvent, { wallMs }: Stamp, now: Moment): void {
    switch (event.type) {
      case 'jumping':
        for (const delivery of this.#byHandle.values())
          delivery.latestTimestamp = Math.max(delivery.latestTimestamp, wallMs)
        return
      case 'popping':
        this.#popping.set(event.id, event.group)
        return
      case 'popped':
        this.#popping.delete(event.id)
        for (const popped of event.popped) this.#add(event.group, popped, wallMs, now)
        return
      case 'pop-failed':
        // One that nobody knows of counts as under way until the store is opened again.
        if (event.refusal.outcome !== 'unknown') this.#popping.delete(event.id)
        return
      case 'settling':
        this.#settling.set(event.settle.id, event.settle)
        return
      case 'settled':
        this.#settling.delete(event.settle.id)
        this.#settle(event, now)
        return
      case 'settle-failed':
        this.#settling.delete(event.settle.id)
        if (event.refusal.outcome !== 'not-attempted') this.#blur(event.settle)
        return
      case 'opened':
        for (const settle of this.#settling.values()) this.#blur(settle)
        this.#settling.clear()
        this.#interrupt()
        return
      case 'resetting':
      case 'reset':
        this.#reset(event, now)
        return
      case 'topic-changing':
        if (event.change === 'delete') this.#blurTopic(event.topic)
    }
  }

  /** The first look after an opening is over: from here on nobody is excused. */
  endOpening(): void {
    this.#interrupted = new Set()
  }

  /** The store was opened and looked at: a power cut may have taken back what was told before. */
  cut(cutLife: LifeRecord): void {
    for (const delivery of this.#byHandle.values()) {
      const { poppedAt, settledAt, voidAt } = delivery
      const moments = [poppedAt, settledAt, voidAt].filter((moment) => moment !== undefined)
      if (moments.some((moment) => mayTakeBack(cutLife, moment))) delivery.isUnclear = true
    }
  }

  /**
   * Messages that a group has passed in a queue without anybody having been seen to receive them; they count as received
   * from now on. The messages of a FIFO group are passed when they are acknowledged, so there is nothing to find there.
   */
  findUnseen(
    group: GroupProfile,
    queue: QueueModel,
    passed: { readonly from: number; readonly to: number; readonly now: Moment },
    isWanted: (slot: Slot) => boolean,
  ): Unseen[] {
    const unseen: Unseen[] = []
    for (let offset = Math.max(passed.from, queue.minOffset); offset < passed.to; offset++) {
      const slot = queue.slots.get(offset)
      if (slot === undefined || this.last(group.name, queue.label, offset) !== undefined) continue
      if (!isWanted(slot)) continue
      const { number, reconsumeTimes, topic } = slot
      const isExcused = this.#interrupted.has(group.name)
      unseen.push({ group: group.name, queue, offset, number, isExcused })
      this.#keep({
        group: group.name,
        queue: queue.name,
        label: queue.label,
        offset,
        number,
        topic,
        attempt: reconsumeTimes + 1,
        poppedAt: passed.now,
        resetCount: this.resetCountOf(group.name, topic),
        firstHandle: '',
        handle: '',
        handleLife: 0,
        visibleTimestamp: 0,
        latestTimestamp: 0,
        isAcked: false,
        settledAt: undefined,
        voidAt: undefined,
        isUnclear: true,
      })
    }
    return unseen
  }

  #add(
    group: string,
    { copy, handle, attempt, visibleTimestamp }: PoppedCopy,
    wallMs: number,
    now: Moment,
  ): void {
    const { queue, label, offset, number, topic } = copy
    const delivery: Delivery = {
      group,
      queue,
      label,
      offset,
      number,
      topic,
      attempt,
      poppedAt: now,
      resetCount: this.resetCountOf(group, topic),
      firstHandle: handle,
      handle,
      handleLife: now.life,
      visibleTimestamp,
      latestTimestamp: wallMs,
      isAcked: false,
      settledAt: undefined,
      voidAt: undefined,
      isUnclear: false,
    }
    this.#byHandle.set(handle, delivery)
    this.#keep(delivery)
  }

  #keep(delivery: Delivery): void {
    const { group, label, offset, number } = delivery
    this.#byPlace.set(placeKey(group, label, offset), delivery)
    this.#byNumber.set(`${group}@${number}`, [...this.of(group, number), delivery])
  }

  #settle({ settle, refused, receipt }: SimEventOf<'settled'>, now: Moment): void {
    for (const handle of settle.handles) {
      const delivery = this.#byHandle.get(handle)
      if (delivery === undefined || refused.includes(handle)) continue
      delivery.settledAt = now
      if (settle.how === 'ack') delivery.isAcked = true
      else if (receipt !== undefined) {
        delivery.handle = receipt.handle
        delivery.handleLife = now.life
        delivery.visibleTimestamp = receipt.visibleTimestamp
        this.#byHandle.set(receipt.handle, delivery)
      }
    }
  }

  #blur({ handles }: SettleCall): void {
    for (const handle of handles) {
      const delivery = this.#byHandle.get(handle)
      if (delivery !== undefined) delivery.isUnclear = true
    }
  }

  #blurTopic(topic: string): void {
    for (const delivery of this.#byHandle.values()) if (delivery.topic === topic) delivery.isUnclear = true
  }

  #interrupt(): void {
    this.#interrupted = new Set(this.#popping.values())
    for (const group of this.#interrupted) this.#interruptions.set(group, this.interruptionsOf(group) + 1)
    this.#popping.clear()
  }

  /** Deliveries of a FIFO group end with it; those of others go on, and the messages come besides. */
  #reset({ type, group, topic, offsets }: SimEventOf<'resetting' | 'reset'>, now: Moment): void {
    // One that is on its way may have taken effect.
    this.#resetCounts.set(`${group}@${topic}`, this.resetCountOf(group, topic) + 1)
    if (this.#groups.get(group)?.isOrderly !== true) return
    const queueIds = new Set(offsets.map(([queueId]) => queueId))
    for (const delivery of this.#byPlace.values()) {
      if (delivery.group !== group || delivery.topic !== topic) continue
      if (!queueIds.has(delivery.queue.queueId)) continue
      delivery.isUnclear = type === 'resetting'
      if (type === 'reset') delivery.voidAt = now
    }
  }
}

function placeKey(group: string, label: string, offset: number): string {
  return `${group}@${label}:${offset}`
}
