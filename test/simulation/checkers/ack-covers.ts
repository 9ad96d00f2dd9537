/**
 * 10. Acknowledgement covers: no offset is committed past a message that its group wants and that is neither consumed nor
 * safe, that is scheduled for a retry, among the dead letters, dropped by a broadcasting member that said so, or received by
 * a simple consumer. What polls handed out is consumed when the application comes back or commits; what it goes past by
 * itself need not be. A reset makes everything open again.
 */
import { deadLetterTopicOf, retryTopicOf } from '../../../src/model/topic.ts'
import {
  type Call,
  type Copy,
  nameOf,
  ownerOf,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { CallBook } from '../model/calls.ts'
import { membersOf } from '../model/group-profile.ts'
import { type Moment, mayTakeBack } from '../model/life-book.ts'
import type { FoundOffset } from '../model/model.ts'
import type { QueueModel } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** How far a queue is known to be committed, and what has not been seen of that yet. */
interface Coverage {
  upTo: number
  readonly unknown: Set<number>
}

interface Objections {
  readonly coverage: Coverage
  readonly stories: readonly string[]
  readonly unknown: readonly number[]
}

/** Whose offset it is. */
interface Owner {
  readonly group: string
  readonly member?: string | undefined
}

/** What a poll handed out. */
interface Handout {
  readonly copy: Copy
  readonly resetCount: number
}

export class AckCovers implements Checker {
  readonly #host: CheckerHost
  readonly #calls: CallBook
  /** By owner and place: consumed, or since when it is safe. */
  readonly #settled = new Map<string, 'consumed' | Moment>()
  readonly #coverages = new Map<string, Coverage>()
  /** Resets of a group's topic so far; a delivery from before the last one settles nothing. */
  readonly #resetCounts = new Map<string, number>()
  readonly #resetCountAtCall = new Map<number, number>()
  /** What is wrong with commits that are on their way; it counts if they take effect. */
  readonly #objections = new Map<number, Objections>()
  /** What lite pull consumers handed out and their applications did not come back from, by member. */
  readonly #out = new Map<string, Handout[]>()
  /** Queues in which an application is about to go elsewhere, by seek: how far they were covered. */
  readonly #seeking = new Map<number, readonly [coverage: Coverage, upTo: number]>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#calls = new CallBook(host.profile)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    if (event.type === 'answered' && this.#calls.mayCount(event.call, stamp.elapsedMs)) this.#settle(event)
    this.#calls.observe(event, stamp)
    this.#observePolls(event)
    switch (event.type) {
      case 'calling':
        this.#resetCountAtCall.set(event.call.id, this.#resetCountOf(event.call))
        return
      case 'sent-back':
        this.#settled.set(keyOf(event.back.group, event.back.copy), this.#host.model.queues.now)
        return
      case 'dropped':
        this.#drop(event)
        return
      case 'committing':
        this.#examine(event)
        return
      case 'committed':
        this.#conclude(event)
        return
      case 'stored':
        this.#checkLearned(event.receipt.label)
        return
      case 'reset':
        this.#reset(event)
        return
      case 'scanned':
        this.#checkReceived()
        this.#adopt(event.scan)
    }
  }

  #observePolls(event: SimEvent): void {
    switch (event.type) {
      case 'handed':
        this.#handOut(event)
        return
      case 'came-back':
        this.#comeBack(event)
        return
      case 'manual-committing': {
        const { group, member, offset: place } = event.commit
        if (place === undefined) {
          this.#comeBack({ group, member })
          return
        }
        const queue = this.#host.model.queues.current(place.queue)
        if (queue !== undefined) raise(this.#coverageOf(this.#ownerOf(event.commit), queue), place.offset)
        return
      }
      case 'seeking': {
        const queue = this.#host.model.queues.current(event.seek.queue)
        if (queue === undefined) return
        const coverage = this.#coverageOf(this.#ownerOf(event.seek), queue)
        this.#seeking.set(event.seek.id, [coverage, coverage.upTo])
        coverage.upTo = Infinity
        return
      }
      case 'sought':
      case 'seek-failed': {
        const [coverage, upTo] = this.#seeking.get(event.seek.id) ?? []
        if (coverage === undefined || upTo === undefined) return
        coverage.upTo = event.type === 'sought' ? Math.max(upTo, event.offset) : upTo
        return
      }
      case 'joining':
        // A broadcasting member comes back under its name, and knows nothing of what it had out.
        this.#out.delete(event.member)
        return
      case 'opened':
        this.#out.clear()
    }
  }

  #settle({ call, succeededCount }: SimEventOf<'answered'>): void {
    if (this.#resetCountAtCall.get(call.id) !== this.#resetCountOf(call)) return
    const owner = this.#host.model.ownerOf(call)
    for (const copy of call.copies.slice(0, succeededCount)) this.#settled.set(keyOf(owner, copy), 'consumed')
  }

  #drop({ group, member, queue: name, offset }: SimEventOf<'dropped'>): void {
    const label = this.#host.model.queues.current(name)?.label
    if (label !== undefined)
      this.#settled.set(keyOf(ownerOf({ group, member }), { label, offset }), 'consumed')
  }

  #handOut({ group, member, copies }: SimEventOf<'handed'>): void {
    if (this.#host.model.groups.get(group)?.kind !== 'lite') return
    const out = this.#out.get(member) ?? []
    this.#out.set(member, out)
    for (const copy of copies)
      out.push({ copy, resetCount: this.#resetCountOf({ group, queue: copy.queue }) })
  }

  #ownerOf({ group, member }: { readonly group: string; readonly member: string }): Owner {
    return { group, member: this.#host.model.memberWithOffsets(group, member) }
  }

  #comeBack({ group, member }: { readonly group: string; readonly member: string }): void {
    const owner = this.#host.model.ownerOf({ group, member })
    const out = this.#out.get(member)?.splice(0) ?? []
    for (const { copy, resetCount } of out)
      if (resetCount === this.#resetCountOf({ group, queue: copy.queue }))
        this.#settled.set(keyOf(owner, copy), 'consumed')
  }

  #examine(commit: SimEventOf<'committing'>): void {
    const { id, group, queue: name, offset } = commit
    const { model } = this.#host
    const queue = model.queues.current(name)
    if (queue === undefined || model.limbo.has(name.topic)) return
    const coverage = this.#coverageOf(commit, queue)
    const stories: string[] = []
    const unknown: number[] = []
    const skippedBelow = model.offsets.get(group, name, commit.member)?.skippedBelow ?? 0
    // Where a broadcasting member begins is not where it came to.
    const from = commit.member === undefined ? coverage.upTo : Math.max(coverage.upTo, skippedBelow)
    for (let at = from; at < offset; at++) {
      const objection = this.#objectionTo(commit, queue, at)
      if (objection !== undefined) stories.push(objection)
      if (!queue.slots.has(at)) unknown.push(at)
    }
    this.#objections.set(id, { coverage, stories, unknown })
  }

  #conclude({ id, offset }: SimEventOf<'committed'>): void {
    const objections = this.#objections.get(id)
    if (objections === undefined) return
    const { coverage, stories, unknown } = objections
    for (const story of stories) this.#host.violate(10, story)
    for (const at of unknown) coverage.unknown.add(at)
    raise(coverage, offset)
  }

  /** What lay before a committed offset and was not known yet may be known by now. */
  #checkLearned(label: string): void {
    const queue = this.#host.model.queues.byLabel(label)
    if (queue === undefined) return
    for (const group of this.#host.profile.groups) {
      for (const member of membersOf(group)) {
        const owner = { group: group.name, member }
        const coverage = this.#coverages.get(coverageKey(owner, queue))
        for (const at of coverage?.unknown ?? []) {
          if (!queue.slots.has(at)) continue
          coverage?.unknown.delete(at)
          const objection = this.#objectionTo(owner, queue, at)
          if (objection !== undefined) this.#host.violate(10, objection)
        }
      }
    }
  }

  /** What is wrong with going past this offset. */
  #objectionTo(owner: Owner, queue: QueueModel, offset: number): string | undefined {
    const { model } = this.#host
    const slot = queue.slots.get(offset)
    if (slot === undefined || offset < queue.minOffset || !model.wantsSlot(owner.group, queue, slot))
      return undefined
    if (this.#settled.has(keyOf(ownerOf(owner), { label: queue.label, offset }))) return undefined
    const place = `${nameOf(queue.name)}:${offset}`
    return `${ownerOf(owner)} commits past message ${slot.number} at ${place}, which is neither consumed nor safe`
  }

  /** The offset of simple consumers passes what they received; in a FIFO group what they acknowledged or gave up. */
  #checkReceived(): void {
    const { comparison } = this.#host.model
    for (const { group, queue, offset, number, isExcused } of comparison?.unseen ?? []) {
      if (isExcused) continue
      const place = `${nameOf(queue.name)}:${offset}`
      this.#host.violate(10, `${group} has passed message ${number} at ${place}, which nobody received`)
    }
    for (const found of comparison?.offsets ?? []) this.#checkFifo(found)
  }

  #checkFifo({ before, found = 0, isUnclear }: FoundOffset): void {
    const { model } = this.#host
    const group = model.groups.get(before.group)
    const queue = model.queues.current(before.queue)
    if (isUnclear || group?.kind !== 'simple' || !group.isOrderly || queue === undefined) return
    const coverage = this.#coverageOf(before, queue)
    const { skippedBelow } = model.offsets.at(before)
    for (let at = Math.max(coverage.upTo, queue.minOffset, skippedBelow); at < found; at++) {
      const slot = queue.slots.get(at)
      if (slot === undefined || !model.wantsSlot(group.name, queue, slot)) continue
      const last = model.deliveries.last(group.name, queue.label, at)
      const unseenCount = model.deliveries.interruptionsOf(group.name)
      const isLastAttempt = (last?.attempt ?? 0) + unseenCount > group.maxReconsumeTimes
      if (last?.isAcked === true || last?.isUnclear === true || isLastAttempt) continue
      const place = `${nameOf(queue.name)}:${at}`
      this.#host.violate(10, `${group.name} has passed message ${slot.number} at ${place} unacknowledged`)
    }
    raise(coverage, found)
  }

  #reset({ group, topic, offsets }: SimEventOf<'reset'>): void {
    this.#resetCounts.set(`${group}@${topic}`, this.#resetCountOf({ group, queue: { topic } }) + 1)
    const profile = this.#host.model.groups.get(group)
    for (const [queueId, offset] of offsets) {
      const queue = this.#host.model.queues.current({ topic, queueId })
      if (queue === undefined || profile === undefined) continue
      for (const member of membersOf(profile)) {
        const owner = { group, member }
        const coverage = this.#coverageOf(owner, queue)
        coverage.upTo = offset
        coverage.unknown.clear()
        for (const at of queue.slots.keys())
          if (at >= offset) this.#settled.delete(keyOf(ownerOf(owner), { label: queue.label, offset: at }))
      }
    }
  }

  /** After an opening groups go on from what is stored; a power cut may have taken what was safe behind it. */
  #adopt(scan: Scan): void {
    const { comparison, queues } = this.#host.model
    for (const queue of queues.living) this.#checkLearned(queue.label)
    if (comparison?.isOpening !== true) return
    this.#forgetLabels()
    for (const { before, found = 0 } of comparison.offsets) {
      const queue = queues.current(before.queue)
      if (queue === undefined) continue
      this.#coverages.set(coverageKey(before, queue), { upTo: found, unknown: new Set() })
      if (comparison.cutLife === undefined) continue
      const dead = deadLettersOf(before.group, scan)
      for (const [at, { number }] of queue.slots) {
        const key = keyOf(ownerOf(before), { label: queue.label, offset: at })
        const since = this.#settled.get(key)
        if (at < found || since === undefined || since === 'consumed' || dead.has(number)) continue
        if (mayTakeBack(comparison.cutLife, since)) this.#settled.delete(key)
      }
    }
  }

  /** What bears a label that a power cut set free is another queue. */
  #forgetLabels(): void {
    const isKnown = (label = ''): boolean => this.#host.model.queues.byLabel(label) !== undefined
    for (const key of this.#coverages.keys()) if (!isKnown(key.split('@')[1])) this.#coverages.delete(key)
  }

  #coverageOf(owner: Owner, queue: QueueModel): Coverage {
    const key = coverageKey(owner, queue)
    // It may have been sent past what nobody had seen: a delayed message comes without a word.
    const { skippedBelow = 0 } = this.#host.model.offsets.get(owner.group, queue.name, owner.member) ?? {}
    const coverage = this.#coverages.get(key) ?? { upTo: skippedBelow, unknown: new Set() }
    this.#coverages.set(key, coverage)
    return coverage
  }

  #resetCountOf({ group, queue }: Pick<Call, 'group'> & { queue: { topic: string } }): number {
    return queue.topic === retryTopicOf(group) ? 0 : (this.#resetCounts.get(`${group}@${queue.topic}`) ?? 0)
  }
}

/** Numbers of the messages that a group has among its dead letters. */
function deadLettersOf(group: string, { queues }: Scan): ReadonlySet<number> {
  const found = queues.filter(({ queue }) => queue.topic === deadLetterTopicOf(group))
  return new Set(found.flatMap(({ copies }) => copies.map(({ number }) => number)))
}

function raise(coverage: Coverage, upTo: number): void {
  coverage.upTo = Math.max(coverage.upTo, upTo)
}

function coverageKey({ group, member }: Owner, { label }: QueueModel): string {
  return `${ownerOf({ group, member })}@${label}`
}

function keyOf(owner: string, { label, offset }: Pick<Copy, 'label' | 'offset'>): string {
  return `${owner}@${label}:${offset}`
}
