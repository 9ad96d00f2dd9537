/**
 * 7. Delivery order: members that keep the order get the messages of a queue by ascending offsets, and a message that
 * failed before anything behind it: nothing overtakes, also at a hand-over, a restart and a crash. In a FIFO group the same
 * holds for what simple consumers receive; where message groups are kept in order, for each of them in its queue.
 *
 * Allowed: after a crash, a reset or a hand-over that could not be committed an owner goes back, and from there on in order
 * again. What is done once need not come again.
 */
import type { PoppedCopy } from '../consumer-events.ts'
import {
  type Call,
  type Copy,
  nameOf,
  ownerOf,
  placeOf,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { QueueModel } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { Tenures } from './tenures.ts'

/** Where a member is in a queue. */
interface Place {
  /** The next one to be delivered lies here or behind. */
  position: number
  /** The call that runs or was the last one. */
  callId: number
}

/** What has to be in order. */
interface Line {
  readonly group: string
  readonly owner: string
  readonly queue: QueueModel
  readonly lane: string
}

export class DeliveryOrder implements Checker {
  readonly #host: CheckerHost
  /** Places by lane: one for the queue, or for each message group in it. */
  readonly #tenures: Tenures<Map<string, Place>>
  /** By owner and place. */
  readonly #done = new Set<string>()
  /** Where owners stood when the store was opened, by owner and label: a power cut may have taken back that they were sent back. */
  readonly #floors = new Map<string, number>()

  /** That the wall clock ever showed. */
  #latestTimestamp = 0

  constructor(host: CheckerHost) {
    this.#host = host
    this.#tenures = new Tenures(host)
  }

  observe(event: SimEvent, { wallMs }: Stamp): void {
    this.#latestTimestamp = Math.max(this.#latestTimestamp, wallMs)
    this.#tenures.observe(event)
    switch (event.type) {
      case 'calling':
        if (this.#groupOf(event.call.group)?.isOrderly === true) this.#checkCall(event.call)
        return
      case 'answered':
        if (this.#groupOf(event.call.group)?.isOrderly === true) this.#noteAnswer(event)
        return
      case 'sent-back':
        this.#pass(event.back.group, event.back.group, event.back.copy)
        return
      case 'dropped': {
        const label = this.#host.model.queues.current(event.queue)?.label
        const { group, member, offset } = event
        if (label !== undefined) this.#pass(group, `${group}#${member}`, { label, offset })
        return
      }
      case 'verb-failed':
        if (event.group !== undefined && event.copy !== undefined) this.#comeBack(event.group, event.copy)
        return
      case 'reset':
        this.#reset(event)
        return
      case 'scanned':
        this.#noteFloors()
        return
      case 'popped': {
        const group = this.#groupOf(event.group)
        if (group?.isOrderly === true) this.#checkPopped(group, event.popped)
      }
    }
  }

  #groupOf(name: string): GroupProfile | undefined {
    return this.#host.model.groups.get(name)
  }

  #checkCall(call: Call): void {
    const { group, member, copies, id: callId } = call
    const { model } = this.#host
    const owner = model.ownerOf(call)
    const [first] = copies
    const queue = model.queues.byLabel(first?.label ?? '')
    if (first === undefined || queue === undefined) return
    const lane = model.laneOf(group, first.number)
    const places = this.#tenures.get(group, member, queue.label) ?? new Map<string, Place>()
    const place = places.get(lane)
    if (place === undefined) this.#checkStart(call, owner, queue, first)
    else this.#checkNext({ group, owner, queue, lane }, place.position, first)
    for (const [index, copy] of copies.entries())
      if (index > 0) this.#checkNext({ group, owner, queue, lane }, copies[index - 1]!.offset + 1, copy)
    places.set(lane, { position: first.offset, callId })
    this.#tenures.set(group, member, queue.label, places)
  }

  /** Within a tenure: nothing is left out, and nothing comes again. */
  #checkNext({ group, owner, queue, lane }: Line, position: number, copy: Copy): void {
    const { model } = this.#host
    // What retention has removed may have been fetched before.
    const next = model.nextWanted(group, queue, position, lane) ?? copy.offset
    const isInOrder = copy.offset === next || (copy.offset >= position && copy.offset < queue.minOffset)
    if (isInOrder && model.laneOf(group, copy.number) === lane) return
    const what = copy.offset > next ? 'overtakes' : 'comes after'
    this.#host.violate(
      7,
      `message ${copy.number} at ${placeOf(copy)} ${what} ${nameOf(queue.name)}:${copy.offset > next ? next : position} for ${owner}`,
    )
  }

  /** Who gets a queue begins where nothing before it is left to do. */
  #checkStart({ group, member }: Call, owner: string, queue: QueueModel, first: Copy): void {
    const { model } = this.#host
    if (!this.#tenures.isClear(group)) return
    const profile = this.#groupOf(group)
    const offsets = model.offsets.get(group, queue.name, model.memberWithOffsets(group, member))
    const isNew = profile?.kind === 'broadcasting' && offsets?.stored === undefined
    // A broadcasting member begins where it wishes, and says so only afterwards.
    if (isNew && profile?.consumeFromWhere === 'LAST_OFFSET') return
    const lane = model.laneOf(group, first.number)
    const from = Math.max(offsets?.skippedBelow ?? 0, this.#floors.get(`${owner}@${queue.label}`) ?? 0)
    for (let at = model.nextWanted(group, queue, from, lane); at !== undefined && at < first.offset; ) {
      if (!this.#done.has(keyOf(owner, { label: queue.label, offset: at }))) {
        this.#host.violate(
          7,
          `message ${first.number} at ${placeOf(first)} overtakes ${nameOf(queue.name)}:${at} for ${owner}`,
        )
        return
      }
      at = model.nextWanted(group, queue, at + 1, lane)
    }
  }

  #noteAnswer({ call, succeededCount }: SimEventOf<'answered'>): void {
    const { group, member, copies } = call
    const owner = this.#host.model.ownerOf(call)
    for (const copy of copies.slice(0, succeededCount)) this.#done.add(keyOf(owner, copy))
    const places = this.#tenures.get(group, member, copies[0]?.label ?? '')
    const place = places?.get(this.#host.model.laneOf(group, copies[0]?.number ?? -1))
    if (place?.callId !== call.id) return
    place.position = copies[succeededCount]?.offset ?? copies.at(-1)!.offset + 1
  }

  /** It is a dead letter, or was dropped. */
  #pass(group: string, owner: string, { label, offset }: Pick<Copy, 'label' | 'offset'>): void {
    const { model } = this.#host
    this.#done.add(keyOf(owner, { label, offset }))
    const queue = model.queues.byLabel(label)
    const slot = queue?.slots.get(offset)
    if (queue === undefined || slot === undefined) return
    const lane = model.laneOf(group, slot.number)
    for (const place of this.#placesOf(group, owner, label, lane))
      if (model.nextWanted(group, queue, place.position, lane) === offset) place.position = offset + 1
  }

  /** The member did not learn that it is one. */
  #comeBack(group: string, { label, offset, number }: Copy): void {
    for (const place of this.#placesOf(group, group, label, this.#host.model.laneOf(group, number)))
      if (place.position === offset + 1) place.position = offset
  }

  *#placesOf(group: string, owner: string, label: string, lane: string): Iterable<Place> {
    for (const { member, state } of this.#tenures.ofQueue(group, label)) {
      const place = state.get(lane)
      if (place !== undefined && (owner === group || owner === `${group}#${member}`)) yield place
    }
  }

  #noteFloors(): void {
    const { comparison, queues } = this.#host.model
    if (comparison?.isOpening !== true) return
    this.#floors.clear()
    for (const { before, found } of comparison.offsets) {
      const label = queues.current(before.queue)?.label
      if (label !== undefined && found !== undefined) this.#floors.set(`${ownerOf(before)}@${label}`, found)
    }
  }

  #reset({ group, topic, offsets }: SimEventOf<'reset'>): void {
    for (const [queueId, offset] of offsets) {
      const label = this.#host.model.queues.current({ topic, queueId })?.label
      for (const [key, floor] of this.#floors)
        if (key.split('#')[0]?.split('@')[0] === group && key.endsWith(`@${label}`))
          this.#floors.set(key, Math.min(floor, offset))
      for (const key of this.#done) {
        const [owner = '', place = ''] = key.split('@')
        const [keyLabel, at] = place.split(':')
        if (owner.split('#')[0] === group && keyLabel === label && Number(at) >= offset)
          this.#done.delete(key)
      }
    }
  }

  /** What lies before a message that is received is done, or is received with it. */
  #checkPopped(group: GroupProfile, popped: readonly PoppedCopy[]): void {
    const { model } = this.#host
    const offsets = new Map<string, number[]>()
    for (const { copy } of popped) offsets.set(copy.label, [...(offsets.get(copy.label) ?? []), copy.offset])
    for (const [label, received] of offsets) {
      const queue = model.queues.byLabel(label)
      if (queue === undefined) continue
      const last = received.at(-1)!
      const entry = model.offsets.get(group.name, queue.name)
      // Who is new to a queue that has lost its beginning, perhaps unseen, begins with its last message.
      if (entry?.stored === undefined && (queue.minOffset > 0 || this.#mayLoseBeginnings)) continue
      if (received.some((offset, index) => index > 0 && offset <= received[index - 1]!))
        this.#host.violate(
          7,
          `${group.name} receives ${received.join(', ')} of ${nameOf(queue.name)} out of order`,
        )
      const from = entry?.skippedBelow ?? 0
      for (let at = model.nextWanted(group.name, queue, from); at !== undefined && at < last; ) {
        if (!received.includes(at) && !this.#isSettled(group, label, at) && !this.#mayBeRemoved(queue, at))
          this.#host.violate(7, `${group.name} receives ${nameOf(queue.name)}:${last} before ${at}`)
        at = model.nextWanted(group.name, queue, at + 1)
      }
    }
  }

  /** Retention may have, and nobody has looked since. */
  #mayBeRemoved(queue: QueueModel, offset: number): boolean {
    const { maxAgeMs, maxBytes } = this.#host.profile.retention
    const storeTimestamp = queue.slots.get(offset)?.storeTimestamp ?? Infinity
    return maxBytes !== Infinity || storeTimestamp + maxAgeMs <= this.#latestTimestamp
  }

  get #mayLoseBeginnings(): boolean {
    const { maxAgeMs, maxBytes } = this.#host.profile.retention
    return Math.min(maxAgeMs, maxBytes) !== Infinity
  }

  /** Acknowledged, or received for the last time; or nobody knows. */
  #isSettled({ name, maxReconsumeTimes }: GroupProfile, label: string, offset: number): boolean {
    const { deliveries } = this.#host.model
    const last = deliveries.last(name, label, offset)
    // Also what nobody was seen to receive may have been received, and that in vain.
    const unseenCount = deliveries.interruptionsOf(name)
    if (last?.isAcked === true || last?.isUnclear === true) return true
    return (last?.attempt ?? 0) + unseenCount > maxReconsumeTimes
  }
}

function keyOf(owner: string, { label, offset }: Pick<Copy, 'label' | 'offset'>): string {
  return `${owner}@${label}:${offset}`
}
