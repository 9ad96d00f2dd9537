/** The progress of groups and broadcasting members as far as anybody was told: which offset must be stored, which may be. */
import {
  nameOf,
  type OffsetCommit,
  ownerOf,
  type QueueName,
  type Refusal,
  type SimEvent,
  type SimEventOf,
} from '../events.ts'
import type { GroupProfile } from './group-profile.ts'

/** Whose offset it is, and of which queue. */
interface OffsetKey {
  readonly group: string
  /** Of a broadcasting group. */
  readonly member?: string | undefined
  readonly queue: QueueName
}

export interface OffsetEntry extends OffsetKey {
  /** What is stored for sure. */
  stored: number | undefined
  /** Its queue was hidden when a power cut may have taken it back. */
  isUnknown: boolean
  /** When that was acknowledged. */
  storedMs: number
  /** All that was asked for since the store was opened, and what was stored then. */
  readonly asked: Set<number>
  /** What lies before need not be delivered: a reset, or the application itself, went past it. */
  skippedBelow: number
  /** Deliveries that began earlier do not count: a reset asked for all from `skippedBelow` on again. */
  againSinceMs: number
  /** Resets, and commits that may go back, by id, which may or may not have taken effect. */
  readonly resetting: Map<number, number>
  /** Whether it was set from outside, or back, since the store was opened. */
  isReset: boolean
}

/** What a look at the store found of an entry. */
interface Found {
  readonly nowMs: number
  readonly isOpening: boolean
  readonly isCut: boolean
}

export class OffsetBook {
  readonly #groups: ReadonlyMap<string, GroupProfile>
  readonly #entries = new Map<string, OffsetEntry>()
  /** Broadcasting members that the store knows for sure, and those that it may know. */
  readonly #knownMembers = new Set<string>()
  readonly #maybeMembers = new Set<string>()

  constructor(groups: ReadonlyMap<string, GroupProfile>) {
    this.#groups = groups
  }

  get all(): Iterable<OffsetEntry> {
    return this.#entries.values()
  }

  get(group: string, queue: QueueName, member?: string): OffsetEntry | undefined {
    return this.#entries.get(keyOf({ group, member, queue }))
  }

  at(key: OffsetKey): OffsetEntry {
    const known = this.#entries.get(keyOf(key))
    if (known !== undefined) return known
    const { group, member, queue } = key
    const entry: OffsetEntry = {
      group,
      member,
      queue,
      stored: undefined,
      isUnknown: false,
      storedMs: 0,
      asked: new Set(),
      skippedBelow: 0,
      againSinceMs: 0,
      resetting: new Map(),
      isReset: false,
    }
    this.#entries.set(keyOf(key), entry)
    return entry
  }

  observe(event: SimEvent, nowMs: number): void {
    switch (event.type) {
      case 'joining':
        this.#maybeMembers.add(event.member)
        return
      case 'joined':
        this.#knownMembers.add(event.member)
        return
      case 'committing':
        this.#committing(event)
        return
      case 'committed':
        this.#committed(event, nowMs)
        return
      case 'commit-failed':
        if (isNothingDone(event.refusal)) this.at(event).resetting.delete(event.id)
        return
      case 'sought':
      case 'manual-committed':
        this.#choose(event)
        return
      case 'resetting':
        this.#resetting(event)
        return
      case 'reset':
        this.#reset(event, nowMs)
        return
      case 'reset-failed':
        if (isNothingDone(event.refusal))
          for (const { resetting } of this.#entries.values()) resetting.delete(event.id)
    }
  }

  /** Nobody could look at it when a power cut may have taken it back. */
  forget(entry: OffsetEntry): void {
    entry.stored = undefined
    entry.isUnknown = true
  }

  /** It was looked at; the last life may have lost something to a power cut. */
  found(entry: OffsetEntry, offset: number | undefined, { nowMs, isOpening, isCut }: Found): void {
    if (entry.stored !== offset) entry.storedMs = nowMs
    entry.stored = offset
    entry.isUnknown = false
    if (!isOpening) return
    if (isCut) this.#knownMembers.clear()
    entry.skippedBelow = Math.max(entry.skippedBelow, ...entry.resetting.values())
    if (isCut && entry.isReset) entry.againSinceMs = 0
    entry.resetting.clear()
    entry.isReset = false
    entry.asked.clear()
    if (offset !== undefined) entry.asked.add(offset)
  }

  endTopic(topic: string): void {
    for (const [key, { queue }] of this.#entries) if (queue.topic === topic) this.#entries.delete(key)
  }

  #committing(commit: OffsetCommit): void {
    const { id, group, offset, mayGoBack } = commit
    const entry = this.at(commit)
    // A broadcasting member that was never here begins where it wishes, also in a young queue.
    const isBeginning = commit.member !== undefined && entry.stored === undefined
    if (isBeginning && this.#groups.get(group)?.consumeFromWhere === 'LAST_OFFSET')
      entry.skippedBelow = Math.max(entry.skippedBelow, offset)
    entry.asked.add(offset)
    if (!mayGoBack) return
    entry.resetting.set(id, offset)
    entry.isReset ||= offset < (entry.stored ?? 0)
  }

  #committed(commit: OffsetCommit, nowMs: number): void {
    const { id, offset, mayGoBack } = commit
    const entry = this.at(commit)
    entry.resetting.delete(id)
    // While a reset is on its way, what members commit is ignored.
    if (entry.resetting.size > 0 || (offset < (entry.stored ?? 0) && !mayGoBack)) return
    entry.stored = offset
    entry.isUnknown = false
    entry.storedMs = nowMs
  }

  /** What the application itself goes past it need not get. */
  #choose(event: SimEventOf<'sought' | 'manual-committed'>): void {
    const place =
      event.type === 'sought' ? { queue: event.seek.queue, offset: event.offset } : event.commit.offset
    if (place === undefined) return
    const { group, member } = event.type === 'sought' ? event.seek : event.commit
    const isOwn = (this.#groups.get(group)?.memberNames.length ?? 0) > 0
    const entry = this.at({ group, member: isOwn ? member : undefined, queue: place.queue })
    entry.skippedBelow = Math.max(entry.skippedBelow, place.offset)
  }

  #resetting({ id, group, topic, offsets }: SimEventOf<'resetting'>): void {
    for (const [queueId, offset] of offsets) {
      for (const entry of this.#entriesOf(group, { topic, queueId })) {
        entry.resetting.set(id, offset)
        entry.asked.add(offset)
        entry.isReset = true
      }
    }
  }

  #reset({ id, group, topic, offsets }: SimEventOf<'reset'>, nowMs: number): void {
    for (const [queueId, offset] of offsets) {
      for (const entry of this.#entriesOf(group, { topic, queueId })) {
        // They happen one after the other.
        for (const other of entry.resetting.keys()) if (other <= id) entry.resetting.delete(other)
        const isKnown = entry.member === undefined || this.#knownMembers.has(entry.member)
        if (!isKnown && entry.stored === undefined) continue
        entry.stored = offset
        entry.isUnknown = false
        entry.storedMs = nowMs
        entry.skippedBelow = offset
        entry.againSinceMs = nowMs
      }
    }
  }

  /** A reset of a broadcasting group moves each of its members, but for those that were never here. */
  #entriesOf(group: string, queue: QueueName): OffsetEntry[] {
    const { memberNames = [] } = this.#groups.get(group) ?? {}
    if (memberNames.length === 0) return [this.at({ group, queue })]
    const members = memberNames.filter((member) => this.#maybeMembers.has(member))
    return members.map((member) => this.at({ group, member, queue }))
  }
}

/** Codes of refusals that come before anything is written. */
const CHECKED_FIRST: ReadonlySet<string | undefined> = new Set([
  'INVALID_PARAMETER',
  'TOPIC_NOT_EXIST',
  'SUBSCRIPTION_GROUP_NOT_EXIST',
  'NO_PERMISSION',
])

function isNothingDone({ code, outcome }: Refusal): boolean {
  return outcome === 'not-attempted' || CHECKED_FIRST.has(code)
}

function keyOf({ queue, ...owner }: OffsetKey): string {
  return `${ownerOf(owner)}@${nameOf(queue)}`
}
