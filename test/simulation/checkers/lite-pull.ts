/**
 * 10. Polls: a consumer hands out the messages of a queue by ascending offsets and leaves none out; who gets a queue goes on
 * where the group has committed it, so what is committed comes again only after a reset or when the application goes back;
 * where it seeks to the next message comes from; and commits happen when they are asked for, and are stored when they
 * resolve.
 */
import type { ManualCommit, SeekCall } from '../consumer-events.ts'
import { type Copy, nameOf, placeOf, type QueueName, type SimEvent, type SimEventOf } from '../events.ts'
import type { OffsetEntry } from '../model/offsets.ts'
import type { QueueModel } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { Tenures } from './tenures.ts'

/** Where a member is in a queue. */
interface Place {
  /** The next message to be handed out lies here or behind. */
  position: number
}

/** A queue as it was when the application asked to go elsewhere. */
interface Seeking {
  readonly label: string
  readonly endOffset: number
}

export class LitePull implements Checker {
  readonly #host: CheckerHost
  readonly #tenures: Tenures<Place>
  readonly #seeking = new Map<number, Seeking>()
  /** By owner and label: queues in which the next message may be any. */
  readonly #unknown = new Set<string>()
  /** Commits that applications asked for, by group. */
  readonly #committing = new Map<string, number>()
  /** Resets on their way, by id. */
  readonly #resetting = new Map<number, SimEventOf<'resetting'>>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#tenures = new Tenures(host)
  }

  observe(event: SimEvent): void {
    // A reset that fails moves nobody.
    if (event.type !== 'resetting') this.#tenures.observe(event)
    switch (event.type) {
      case 'handed':
        if (this.#host.model.groups.get(event.group)?.kind === 'lite') this.#checkHanded(event)
        return
      case 'seeking':
        this.#noteSeek(event.seek)
        return
      case 'sought':
        this.#checkSought(event)
        return
      case 'committing':
        this.#checkAsked(event)
        return
      case 'locked':
        for (const queue of event.granted) this.#take(event.group, event.member, queue)
        return
      case 'manual-committing':
        this.#count(event.commit.group, 1)
        this.#noteChosen(event.commit)
        return
      case 'manual-committed':
        this.#checkStored(event.commit)
        this.#count(event.commit.group, -1)
        return
      case 'manual-commit-failed':
        this.#count(event.commit.group, -1)
        return
      case 'resetting':
        this.#resetting.set(event.id, event)
        return
      case 'reset':
        this.#resetting.delete(event.id)
        return
      case 'reset-failed': {
        const resetting = this.#resetting.get(event.id)
        this.#resetting.delete(event.id)
        if (resetting !== undefined && event.refusal.outcome !== 'not-attempted')
          this.#tenures.observe(resetting)
        return
      }
      case 'opened':
        this.#resetting.clear()
        this.#committing.clear()
        this.#seeking.clear()
    }
  }

  /** Who gets a queue goes on where the group is then. */
  #take(group: string, member: string, name: QueueName): void {
    const { queues, offsets, groups } = this.#host.model
    const queue = queues.current(name)
    const entry = offsets.get(group, name)
    if (groups.get(group)?.kind !== 'lite' || queue === undefined || !isKnown(entry)) return
    if (this.#tenures.get(group, member, queue.label) !== undefined || !this.#tenures.isClear(group)) return
    // Leases are renewed: it may have been sent elsewhere since it got the queue.
    const owner = this.#host.model.ownerOf({ group, member })
    if (placesOf(owner, queue).some((place) => this.#unknown.has(place))) return
    this.#tenures.set(group, member, queue.label, { position: entry?.stored ?? 0 })
  }

  /** The application says where the group is to go on, and goes on itself where it is: nobody knows where that is. */
  #noteChosen({ group, member, offset: place }: ManualCommit): void {
    const queue = place && this.#host.model.queues.current(place.queue)
    if (queue === undefined || this.#tenures.get(group, member, queue.label) !== undefined) return
    this.#unknown.add(keyOf(this.#host.model.ownerOf({ group, member }), queue.label))
  }

  #checkHanded({ group, member, copies }: SimEventOf<'handed'>): void {
    for (const copy of copies) {
      const queue = this.#host.model.queues.byLabel(copy.label)
      if (queue === undefined) continue
      const place = this.#tenures.get(group, member, copy.label)
      if (place === undefined) this.#checkStart(group, member, queue, copy)
      else if (!this.#isResetting(group, queue.name)) this.#checkNext(group, queue, place.position, copy)
      this.#tenures.set(group, member, copy.label, { position: copy.offset + 1 })
    }
  }

  #checkNext(group: string, queue: QueueModel, position: number, copy: Copy): void {
    const next = this.#host.model.nextWanted(group, queue, position) ?? copy.offset
    // What retention has removed may have been fetched before.
    if (copy.offset === next || (copy.offset >= position && copy.offset < queue.minOffset)) return
    const what = copy.offset > next ? `leaves out ${next}` : `should go on at ${position}`
    this.#host.violate(
      10,
      `a poll of ${group} hands out message ${copy.number} at ${placeOf(copy)}, and ${what}`,
    )
  }

  #checkStart(group: string, member: string, queue: QueueModel, copy: Copy): void {
    const { model } = this.#host
    const own = model.memberWithOffsets(group, member)
    const offsets = model.offsets.get(group, queue.name, own)
    const unknown = placesOf(model.ownerOf({ group, member }), queue).filter((place) =>
      this.#unknown.delete(place),
    )
    if (unknown.length > 0) return
    // A broadcasting member that was never here begins where it wishes.
    const isFree = own !== undefined && model.groups.get(group)?.consumeFromWhere === 'LAST_OFFSET'
    if (isFree && offsets?.stored === undefined) return
    if (!this.#tenures.isClear(group) || !isKnown(offsets)) return
    this.#checkNext(group, queue, offsets?.stored ?? 0, copy)
  }

  #noteSeek({ id, queue: name }: SeekCall): void {
    const queue = this.#host.model.queues.current(name)
    if (queue !== undefined) this.#seeking.set(id, { label: queue.label, endOffset: queue.endOffset })
  }

  #checkSought({ seek, offset }: SimEventOf<'sought'>): void {
    const { group, member } = seek
    const seeking = this.#seeking.get(seek.id)
    this.#seeking.delete(seek.id)
    const queue = this.#host.model.queues.byLabel(seeking?.label ?? '')
    // Nobody has seen a message of it yet: a delayed one may have come all the same.
    if (seeking === undefined || queue === undefined) {
      this.#unknown.add(keyOf(this.#host.model.ownerOf(seek), nameOf(seek.queue)))
      return
    }
    // It may have gone to another member, or been sent elsewhere, before the application asked where it is.
    if (this.#tenures.get(group, member, queue.label) === undefined) {
      this.#unknown.add(keyOf(this.#host.model.ownerOf(seek), queue.label))
      return
    }
    if (!this.#isResetting(group, queue.name) && !this.#isRight(seek, offset, queue, seeking.endOffset))
      this.#host.violate(
        10,
        `after a seek to ${seek.to} ${seek.at} ${group} stands at ${nameOf(queue.name)}:${offset}`,
      )
    this.#tenures.set(group, member, queue.label, { position: offset })
  }

  /** Whether members may go elsewhere any moment. */
  #isResetting(group: string, { topic }: QueueName): boolean {
    return [...this.#resetting.values()].some((reset) => reset.group === group && reset.topic === topic)
  }

  #isRight({ to, at }: SeekCall, offset: number, queue: QueueModel, endOffset: number): boolean {
    if (to === 'offset') return offset === at
    if (to === 'end') return offset >= endOffset
    const slots = [...queue.slots.values()].filter((slot) => slot.offset >= queue.minOffset)
    const before = slots.filter((slot) => slot.offset < offset)
    if (to === 'begin') return before.length === 0 || this.#mayBeTrimmed()
    const isAtFirst = (queue.slots.get(offset)?.storeTimestamp ?? Infinity) >= at
    return isAtFirst && (before.every(({ storeTimestamp }) => storeTimestamp < at) || this.#mayBeTrimmed())
  }

  /** Retention may have removed more than anybody knows of. */
  #mayBeTrimmed(): boolean {
    const { maxAgeMs, maxBytes } = this.#host.profile.retention
    return maxAgeMs !== Infinity || maxBytes !== Infinity
  }

  #checkAsked({ group, queue, offset }: SimEventOf<'committing'>): void {
    const profile = this.#host.model.groups.get(group)
    if (profile?.kind !== 'lite' || profile.autoCommit || (this.#committing.get(group) ?? 0) > 0) return
    this.#host.violate(10, `${group} commits ${nameOf(queue)}:${offset} although nobody asked for it`)
  }

  #checkStored({ group, member, offset: place }: ManualCommit): void {
    const { queues, offsets } = this.#host.model
    const own = this.#host.model.memberWithOffsets(group, member)
    if (place !== undefined || !this.#tenures.isClear(group)) return
    for (const [label, { position }] of this.#tenures.ofMember(group, member)) {
      const queue = queues.byLabel(label)
      const entry = queue && offsets.get(group, queue.name, own)
      if (queue === undefined || queue.isDeleted || entry === undefined || entry.resetting.size > 0) continue
      if ((entry.stored ?? 0) < position)
        this.#host.violate(
          10,
          `${group} has committed, and ${nameOf(queue.name)} stands at ${entry.stored ?? 'nothing'} instead of ${position}`,
        )
    }
  }

  #count(group: string, by: number): void {
    this.#committing.set(group, (this.#committing.get(group) ?? 0) + by)
  }
}

/** Whether it can be said where a group is. */
function isKnown(entry: OffsetEntry | undefined): boolean {
  return entry === undefined || (entry.resetting.size === 0 && !entry.isUnknown)
}

/** Under its label, and under its name if its label was not known when the application went elsewhere. */
function placesOf(owner: string, { label, name }: QueueModel): readonly string[] {
  return [keyOf(owner, label), keyOf(owner, nameOf(name))]
}

function keyOf(owner: string, label: string): string {
  return `${owner}@${label}`
}
