/**
 * 10. Acknowledgement covers: a member never commits an offset past a message that its group wants and that is neither
 * consumed nor safe, that is scheduled for a retry or among the dead letters. A reset makes everything open again.
 */
import { retryTopicOf } from '../../../src/model/topic.ts'
import { type Call, type Copy, nameOf, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import { CallBook } from '../model/calls.ts'
import type { QueueModel } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** How far a group is known to have committed a queue, and what it has not seen of that yet. */
interface Coverage {
  upTo: number
  readonly unknown: Set<number>
}

interface Objections {
  readonly coverage: Coverage
  readonly stories: readonly string[]
  readonly unknown: readonly number[]
}

export class AckCovers implements Checker {
  readonly #host: CheckerHost
  readonly #calls: CallBook
  /** By group and place. */
  readonly #settled = new Map<string, 'consumed' | 'safe'>()
  readonly #coverages = new Map<string, Coverage>()
  /** Resets of a group's topic so far; a call that began before the last one settles nothing. */
  readonly #resetCounts = new Map<string, number>()
  readonly #resetCountAtCall = new Map<number, number>()
  /** What is wrong with commits that are on their way; it counts if they take effect. */
  readonly #objections = new Map<number, Objections>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#calls = new CallBook(host.profile)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    if (event.type === 'answered' && this.#calls.mayCount(event.call, stamp.elapsedMs)) this.#settle(event)
    this.#calls.observe(event, stamp)
    switch (event.type) {
      case 'calling':
        this.#resetCountAtCall.set(event.call.id, this.#resetCountOf(event.call))
        return
      case 'sent-back':
        this.#settled.set(keyOf(event.back.group, event.back.copy), 'safe')
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
        this.#adopt()
    }
  }

  #settle({ call, succeededCount }: SimEventOf<'answered'>): void {
    if (this.#resetCountAtCall.get(call.id) !== this.#resetCountOf(call)) return
    for (const copy of call.copies.slice(0, succeededCount))
      this.#settled.set(keyOf(call.group, copy), 'consumed')
  }

  #examine({ id, group, queue: name, offset }: SimEventOf<'committing'>): void {
    const { model } = this.#host
    const queue = model.queues.current(name)
    if (queue === undefined || model.limbo.has(name.topic)) return
    const coverage = this.#coverageOf(group, queue)
    const stories: string[] = []
    const unknown: number[] = []
    for (let at = coverage.upTo; at < offset; at++) {
      const objection = this.#objectionTo(group, queue, at)
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
    coverage.upTo = Math.max(coverage.upTo, offset)
  }

  /** What lay before a committed offset and was not known yet may be known by now. */
  #checkLearned(label: string): void {
    const queue = this.#host.model.queues.byLabel(label)
    if (queue === undefined) return
    for (const { name: group } of this.#host.profile.groups) {
      const coverage = this.#coverages.get(`${group}@${label}`)
      for (const at of coverage?.unknown ?? []) {
        if (!queue.slots.has(at)) continue
        coverage?.unknown.delete(at)
        const objection = this.#objectionTo(group, queue, at)
        if (objection !== undefined) this.#host.violate(10, objection)
      }
    }
  }

  /** What is wrong with going past this offset. */
  #objectionTo(group: string, queue: QueueModel, offset: number): string | undefined {
    const slot = queue.slots.get(offset)
    const message = slot === undefined ? undefined : this.#host.model.message(slot.number)
    if (slot === undefined || message === undefined || offset < queue.minOffset) return undefined
    if (!this.#host.model.wants(group, message.topic, message.tag)) return undefined
    if (this.#settled.has(`${group}@${queue.label}:${offset}`)) return undefined
    const place = `${nameOf(queue.name)}:${offset}`
    return `${group} commits past message ${slot.number} at ${place}, which is neither consumed nor safe`
  }

  #reset({ group, topic, offsets }: SimEventOf<'reset'>): void {
    this.#resetCounts.set(`${group}@${topic}`, this.#resetCountOf({ group, queue: { topic } }) + 1)
    for (const [queueId, offset] of offsets) {
      const queue = this.#host.model.queues.current({ topic, queueId })
      if (queue === undefined) continue
      const coverage = this.#coverageOf(group, queue)
      coverage.upTo = offset
      coverage.unknown.clear()
      for (const at of queue.slots.keys())
        if (at >= offset) this.#settled.delete(`${group}@${queue.label}:${at}`)
    }
  }

  /** After an opening groups go on from what is stored; what was to be retried from behind it may be lost. */
  #adopt(): void {
    const { comparison, queues } = this.#host.model
    for (const queue of queues.living) this.#checkLearned(queue.label)
    if (comparison?.isOpening !== true) return
    this.#forgetLabels()
    for (const { before, found = 0 } of comparison.offsets) {
      const queue = queues.current(before.queue)
      if (queue === undefined) continue
      this.#coverages.set(`${before.group}@${queue.label}`, { upTo: found, unknown: new Set() })
      for (const at of queue.slots.keys()) {
        const key = `${before.group}@${queue.label}:${at}`
        if (at >= found && this.#settled.get(key) === 'safe') this.#settled.delete(key)
      }
    }
  }

  /** What bears a label that a power cut set free is another queue. */
  #forgetLabels(): void {
    const isKnown = (label = ''): boolean => this.#host.model.queues.byLabel(label) !== undefined
    for (const key of this.#coverages.keys()) if (!isKnown(key.split('@')[1])) this.#coverages.delete(key)
  }

  #coverageOf(group: string, { label }: QueueModel): Coverage {
    const key = `${group}@${label}`
    const coverage = this.#coverages.get(key) ?? { upTo: 0, unknown: new Set() }
    this.#coverages.set(key, coverage)
    return coverage
  }

  #resetCountOf({ group, queue }: Pick<Call, 'group'> & { queue: { topic: string } }): number {
    return queue.topic === retryTopicOf(group) ? 0 : (this.#resetCounts.get(`${group}@${queue.topic}`) ?? 0)
  }
}

function keyOf(group: string, { label, offset }: Copy): string {
  return `${group}@${label}:${offset}`
}
