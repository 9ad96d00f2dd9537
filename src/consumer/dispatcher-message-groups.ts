/**
 * Delivers the messages of each message group in their order, and groups at the same time (RocketMQ 5
 * `enableFifoConsumeAccelerator`): one call of the listener at a time for each group of each queue. Messages without a group
 * count as one.
 *
 * Messages of a queue finish in any order then, and its offset stays at the first that is not done: a crash delivers again
 * what other groups had done behind it, each group in its order.
 */
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { LaneDispatcher } from './dispatcher-in-lanes.ts'
import type { Lane } from './lane.ts'
import type { ProcessQueue } from './process-queue.ts'
import type { Suspension } from './suspension.ts'

/** The name of what has no group; no group has it. */
const NO_GROUP = ''

/** The lanes of one queue. */
interface QueueLanes {
  queue: ProcessQueue
  readonly byGroup: Map<string, GroupLane>
}

export class MessageGroupDispatcher extends LaneDispatcher {
  /** By queue key. */
  readonly #queues = new Map<string, QueueLanes>()

  redeliveryMs(queue: MessageQueue, offset: number): number | undefined {
    const lane = this.#laneOf(queue, offset)
    return lane?.firstOffset === offset ? lane.suspension?.endMs : undefined
  }

  /** Each message waits for the first of its group that is not done. */
  blockerOf(queue: MessageQueue, offset: number): number | undefined {
    const first = this.#laneOf(queue, offset)?.firstOffset
    return first === offset ? undefined : first
  }

  offer(queue: ProcessQueue): void {
    const lanes = this.#queues.get(queue.key) ?? { queue, byGroup: new Map<string, GroupLane>() }
    this.#queues.set(queue.key, lanes)
    if (lanes.queue !== queue) this.#beginAnew(lanes, queue)

    const first = queue.nextSequence
    const count = queue.claim()
    for (let sequence = first; sequence < first + count; sequence++) this.#admit(lanes, sequence)
    this.pump()
  }

  protected *lanes(): Iterable<Lane> {
    for (const { byGroup } of this.#queues.values()) yield* byGroup.values()
  }

  protected close(lane: GroupLane): void {
    const { key } = lane.queue
    const lanes = this.#queues.get(key)
    lanes?.byGroup.delete(lane.group)
    if (lanes?.byGroup.size === 0) this.#queues.delete(key)
  }

  #admit({ queue, byGroup }: QueueLanes, sequence: number): void {
    const group = queue.messageAt(sequence).messageGroup ?? NO_GROUP
    const lane = byGroup.get(group) ?? new GroupLane(queue, group)
    byGroup.set(group, lane)
    lane.waiting.push(sequence)
    this.makeReady(lane)
  }

  /** What lanes know of lies behind: those stay in which a listener is busy, or which stand in line. */
  #beginAnew(lanes: QueueLanes, queue: ProcessQueue): void {
    lanes.queue = queue
    for (const lane of lanes.byGroup.values()) {
      this.endSuspension(lane)
      lane.queue = queue
      lane.waiting = []
      if (!lane.isBusy && !lane.isReady) lanes.byGroup.delete(lane.group)
    }
  }

  #laneOf(queue: MessageQueue, offset: number): GroupLane | undefined {
    const lanes = [...(this.#queues.get(queueKey(queue))?.byGroup.values() ?? [])]
    return lanes.find((lane) => lane.holds(offset))
  }
}

/** The messages of one group in one queue. */
class GroupLane implements Lane {
  readonly group: string
  queue: ProcessQueue
  isBusy = false
  isReady = false
  suspension: Suspension | undefined
  /** Sequence numbers of what waits. */
  waiting: number[] = []
  /** The offset of the first message that was started last. */
  #startedOffset = 0

  constructor(queue: ProcessQueue, group: string) {
    this.queue = queue
    this.group = group
  }

  get title(): string {
    const { topic, queueId } = this.queue.queue
    const who = this.group === NO_GROUP ? 'What has no message group' : `Message group '${this.group}'`
    return `${who} in queue ${queueId} of '${topic}'`
  }

  get waitingCount(): number {
    return this.queue.isDropped ? 0 : this.waiting.length
  }

  /** Of the first message that is not done. */
  get firstOffset(): number | undefined {
    if (this.isBusy) return this.#startedOffset
    const [first] = this.waiting
    return first === undefined ? undefined : this.queue.messageAt(first).queueOffset
  }

  /** Whether the message with this offset waits here. */
  holds(offset: number): boolean {
    return this.waiting.some((sequence) => this.queue.messageAt(sequence).queueOffset === offset)
  }

  take(maxCount: number): readonly number[] {
    const { queue } = this
    const started = this.waiting.slice(0, maxCount).filter((sequence) => queue.startClaimed(sequence))
    this.waiting.splice(0, started.length)
    if (started.length > 0) this.#startedOffset = queue.messageAt(started[0]!).queueOffset
    return started
  }

  putBack(queue: ProcessQueue, sequences: readonly number[]): void {
    for (const sequence of sequences) queue.unstart(sequence)
    if (queue === this.queue) this.waiting.unshift(...sequences)
  }
}
