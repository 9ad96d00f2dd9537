/** What is known of queues: which message lies at which offset, learned from receipts, deliveries and looks at the store. */
import { type Copy, type FoundQueue, nameOf, type QueueName } from '../events.ts'

/** What lies at an offset. */
export interface Slot {
  readonly offset: number
  readonly number: number
  readonly reconsumeTimes: number
  /** When it was stored, on the wall clock of the store. */
  readonly storeTimestamp: number
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
  isDeleted = false
  /** The life in which it was deleted. */
  deletedInLife = -1
  /** It was hidden when a power cut took something: what is left of it shows when it is seen again. */
  isUnclear = false

  constructor(label: string, name: QueueName) {
    this.label = label
    this.name = name
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

  current(name: QueueName): QueueModel | undefined {
    return this.#current.get(nameOf(name))
  }

  byLabel(label: string): QueueModel | undefined {
    return this.#byLabel.get(label)
  }

  /** Queues that have not been deleted. */
  get living(): QueueModel[] {
    return [...this.#current.values()]
  }

  learn(copy: Copy): void {
    const { label, queue, offset, number, reconsumeTimes, storeTimestamp } = copy
    this.at(label, queue).learn({ offset, number, reconsumeTimes, storeTimestamp })
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

  end(name: QueueName, life = -1): void {
    const queue = this.current(name)
    if (queue === undefined) return
    queue.isDeleted = true
    queue.deletedInLife = life
    this.#current.delete(nameOf(name))
  }

  endTopic(topic: string, life: number): void {
    for (const { name } of this.living) if (name.topic === topic) this.end(name, life)
  }

  /** It was not deleted after all; answers the queue that came after it, of which nothing is left. */
  revive(queue: QueueModel): QueueModel | undefined {
    const successor = this.current(queue.name)
    if (successor !== undefined) this.forget(successor)
    queue.isDeleted = false
    this.#current.set(nameOf(queue.name), queue)
    return successor
  }

  /** The label may be given again: nothing of this queue survived. */
  forget(queue: QueueModel): void {
    this.end(queue.name)
    this.#byLabel.delete(queue.label)
  }
}
