/** What is known of queues: which message lies at which offset, learned from receipts, deliveries and looks at the store. */
import { type Copy, type FoundQueue, nameOf, type QueueName } from '../events.ts'
import type { Moment } from './life-book.ts'

/** What lies at an offset. */
export interface Slot {
  readonly offset: number
  readonly number: number
  /** Where the message was first sent to. */
  readonly topic: string
  readonly reconsumeTimes: number
  /** When it was stored, on the wall clock of the store. */
  readonly storeTimestamp: number
  /** Of its record. */
  readonly bytes: number
}

/** One queue from its making to its end. */
export class QueueModel {
  readonly label: string
  readonly name: QueueName
  readonly slots = new Map<number, Slot>()
  /** The lowest offset that was ever found to be there still. */
  minOffset = 0
  /** The same as of the last look at the whole store. */
  lookedAtMinOffset = 0
  /** Behind the highest offset that is known. */
  endOffset = 0
  /** When it was deleted. */
  deletedAt: Moment | undefined
  /** It was hidden when a power cut took something: what is left of it shows when it is seen again. */
  isUnclear = false

  constructor(label: string, name: QueueName) {
    this.label = label
    this.name = name
  }

  get isDeleted(): boolean {
    return this.deletedAt !== undefined
  }

  /** What was known first counts; what contradicts it is for the checkers. */
  learn(slot: Slot): void {
    if (this.slots.has(slot.offset)) return
    this.slots.set(slot.offset, slot)
    this.endOffset = Math.max(this.endOffset, slot.offset + 1)
  }

  forget(offset: number): void {
    this.slots.delete(offset)
    this.endOffset = Math.max(0, ...[...this.slots.keys()].map((known) => known + 1))
  }

  trimTo(minOffset: number): void {
    this.minOffset = Math.max(this.minOffset, minOffset)
  }
}

export class QueueBook {
  readonly #byLabel = new Map<string, QueueModel>()
  /** The queue that has a name now. */
  readonly #current = new Map<string, QueueModel>()
  /** Deleted, or never made: nobody can tell. */
  readonly #unlabelled: QueueModel[] = []
  /** The moment of what is being told. */
  now: Moment = { life: 0, flushCount: 0 }

  current(name: QueueName): QueueModel | undefined {
    return this.#current.get(nameOf(name))
  }

  byLabel(label: string): QueueModel | undefined {
    return this.#byLabel.get(label)
  }

  /** Deleted ones too. */
  get all(): Iterable<QueueModel> {
    return [...this.#byLabel.values(), ...this.#unlabelled]
  }

  /** Queues that have not been deleted. */
  get living(): QueueModel[] {
    return [...this.#current.values()]
  }

  get deleted(): QueueModel[] {
    return [...this.#byLabel.values()].filter(({ isDeleted }) => isDeleted)
  }

  learn(copy: Copy): void {
    const { label, queue, offset, number, topic, storeTimestamp, storeSize: bytes } = copy
    const reconsumeTimes = storedReconsumeTimes(copy)
    this.at(label, queue).learn({ offset, number, topic, reconsumeTimes, storeTimestamp, bytes })
  }

  /** The queue with this label; one of the same name with another label has ended. */
  at(label: string, name: QueueName): QueueModel {
    const known = this.#byLabel.get(label)
    if (known !== undefined) return known
    this.end(name)
    const queue = new QueueModel(label, name)
    this.#byLabel.set(label, queue)
    this.#current.set(nameOf(name), queue)
    return queue
  }

  /** The queue that was found, if its label is known by now. */
  found({ queue, copies }: FoundQueue): QueueModel | undefined {
    const [first] = copies
    return first === undefined ? this.current(queue) : this.at(first.label, queue)
  }

  end(name: QueueName, moment = this.now): void {
    const queue = this.current(name)
    if (queue === undefined) return
    queue.deletedAt = moment
    this.#current.delete(nameOf(name))
  }

  endTopic(topic: string, moment = this.now): void {
    for (const { name } of this.living) if (name.topic === topic) this.end(name, moment)
  }

  /** It was not deleted after all. */
  revive(queue: QueueModel): void {
    queue.deletedAt = undefined
    this.#current.set(nameOf(queue.name), queue)
  }

  /** Deleted, or never made, or there again: what bears its label next has to be learned anew. */
  freeLabel(queue: QueueModel): void {
    this.forget(queue)
    this.#unlabelled.push(queue)
  }

  /** The label may be given again: nothing of this queue survived. */
  forget(queue: QueueModel): void {
    this.#byLabel.delete(queue.label)
    if (this.current(queue.name) === queue) this.#current.delete(nameOf(queue.name))
  }
}

/** Where failed messages stay in their place, what is shown counts their attempts; the stored one counts none. */
export function storedReconsumeTimes({ queue, topic, reconsumeTimes }: Copy): number {
  return queue.topic === topic ? 0 : reconsumeTimes
}
