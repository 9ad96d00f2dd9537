/**
 * Delivers the messages of each queue in their order (RocketMQ `ConsumeMessageOrderlyService`): one call of the listener at
 * a time for each queue.
 */
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { LaneDispatcher } from './dispatcher-in-lanes.ts'
import type { Lane } from './lane.ts'
import type { ProcessQueue } from './process-queue.ts'
import type { Suspension } from './suspension.ts'

export class OrderlyDispatcher extends LaneDispatcher {
  /** By queue key. */
  readonly #lanes = new Map<string, QueueLane>()

  redeliveryMs(queue: MessageQueue, offset: number): number | undefined {
    const lane = this.#lanes.get(queueKey(queue))
    return lane?.queue.unstartedOffset === offset ? lane.suspension?.endMs : undefined
  }

  /** Each message waits for the first that is not done. */
  blockerOf(queue: MessageQueue, offset: number): number | undefined {
    const first = this.#lanes.get(queueKey(queue))?.queue.committableOffset
    return first !== undefined && first < offset ? first : undefined
  }

  offer(queue: ProcessQueue): void {
    const lane = this.#lanes.get(queue.key) ?? this.#open(queue)
    if (lane.queue !== queue) {
      this.endSuspension(lane)
      lane.queue = queue
    }
    this.makeReady(lane)
    this.pump()
  }

  protected lanes(): Iterable<Lane> {
    return this.#lanes.values()
  }

  protected close(lane: Lane): void {
    this.#lanes.delete(lane.queue.key)
  }

  #open(queue: ProcessQueue): QueueLane {
    const lane = new QueueLane(queue)
    this.#lanes.set(queue.key, lane)
    return lane
  }
}

/** A whole queue. */
class QueueLane implements Lane {
  queue: ProcessQueue
  isBusy = false
  isReady = false
  suspension: Suspension | undefined

  constructor(queue: ProcessQueue) {
    this.queue = queue
  }

  get title(): string {
    const { topic, queueId } = this.queue.queue
    return `Queue ${queueId} of '${topic}'`
  }

  get waitingCount(): number {
    return this.queue.waitingCount
  }

  take(maxCount: number): readonly number[] {
    const first = this.queue.nextSequence
    const count = this.queue.take(maxCount)
    return count === 1 ? [first] : Array.from({ length: count }, (_, i) => first + i)
  }

  putBack(queue: ProcessQueue, sequences: readonly number[]): void {
    queue.putBack(sequences.length)
  }
}
