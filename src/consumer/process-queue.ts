/**
 * What is fetched of one queue and not finished (RocketMQ `ProcessQueue`). Messages lie in a ring in offset order:
 *
 *   head: first unfinished  ...  next: first not started  ...  tail: behind the last fetched
 *
 * They finish in any order, and the offset that may be committed is that of the head: everything before it is done.
 * A message is known by its sequence number here, which counts fetched messages and never repeats.
 */
import type { MessageView } from '../model/message.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import type { FetchState } from './inspection.ts'

const FIRST_CAPACITY = 64

/** What is said of a message besides its place; nothing is said of most. */
const Mark = { NONE: 0, FINISHED: 1, CLAIMED: 2 } as const

/** Bounds beyond which nothing more is fetched. */
export interface ProcessQueueLimits {
  readonly maxCount: number
  readonly maxBytes: number
  /** Between the first unfinished and the last fetched message. */
  readonly maxSpan: number
  /** Where the first two come from, if they are shares of what all queues of the member may have; for inspection. */
  readonly share?: LimitShare | undefined
}

/** What several queues have together. */
export interface LimitShare {
  readonly queueCount: number
  readonly ofCount: number | undefined
  readonly ofBytes: number | undefined
}

export class ProcessQueue {
  readonly queue: MessageQueue
  /** Equal for the same queue, also of another time. */
  readonly key: string
  readonly #onFinished: () => void

  #messages: (MessageView | undefined)[] = new Array(FIRST_CAPACITY)
  #sizes = new Uint32Array(FIRST_CAPACITY)
  #marks = new Uint8Array(FIRST_CAPACITY)
  #mask = FIRST_CAPACITY - 1
  #head = 0
  #next = 0
  #tail = 0
  #nextOffset: number
  /** Offsets of what is finished behind something unfinished, by sequence number; absent where nobody asks. */
  readonly #done: Map<number, number> | undefined
  /** Messages before this offset were there when this member began. */
  #inheritedEnd: number | undefined
  #isDropped = false
  #isDiscarded = false
  #onIdle: (() => void) | undefined

  #unfinishedCount = 0
  #unfinishedBytes = 0
  #runningCount = 0

  /** Starts empty at an offset; `onFinished` is called after each message that finished. */
  constructor(queue: MessageQueue, nextOffset: number, onFinished: () => void, keepsDone = false) {
    this.queue = queue
    this.key = queueKey(queue)
    this.#nextOffset = nextOffset
    this.#onFinished = onFinished
    if (keepsDone) this.#done = new Map()
  }

  /** Where the next pull goes on. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** The lowest unfinished offset: where consumption would start again. */
  get committableOffset(): number {
    return this.#messages[this.#head & this.#mask]?.queueOffset ?? this.#nextOffset
  }

  /** The offset of the first message that is not started; where the next pull goes on when all are. */
  get unstartedOffset(): number {
    return this.#next === this.#tail ? this.#nextOffset : this.messageAt(this.#next).queueOffset
  }

  /** What is finished behind the committable offset, if this queue was told to keep it. */
  get doneOffsets(): readonly number[] {
    return [...(this.#done?.values() ?? [])]
  }

  /** The sequence number of the first message that is not started. */
  get nextSequence(): number {
    return this.#next
  }

  /** A pull saw where the queue ends; the first time says what was there before this member. */
  noteEnd(maxOffset: number): void {
    this.#inheritedEnd ??= maxOffset
  }

  /** Whether an earlier member may have been given this message, and may have sent it back. */
  mayHaveBeenSentBack({ queueOffset }: MessageView): boolean {
    return this.#inheritedEnd === undefined || queueOffset < this.#inheritedEnd
  }

  /** Messages that may be started. */
  get waitingCount(): number {
    return this.#isDropped ? 0 : this.#tail - this.#next
  }

  /** Messages that a listener or a send-back is busy with. */
  get runningCount(): number {
    return this.#runningCount
  }

  get unfinishedCount(): number {
    return this.#unfinishedCount
  }

  get unfinishedBytes(): number {
    return this.#unfinishedBytes
  }

  /** Nothing of this queue may be started any more. */
  get isDropped(): boolean {
    return this.#isDropped
  }

  /** What becomes of its messages is decided elsewhere: they are delivered from another offset, or by another member. */
  get isDiscarded(): boolean {
    return this.#isDiscarded
  }

  /** Messages from the first unfinished to the last fetched. */
  get span(): number {
    return this.#tail - this.#head
  }

  /** How far an offset has got; for inspection, since it looks at every message. */
  stateOf(offset: number): FetchState {
    if (offset >= this.#nextOffset) return 'unfetched'
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      if (this.#messages[sequence & this.#mask]?.queueOffset !== offset) continue
      const isClaimed = this.#marks[sequence & this.#mask] === Mark.CLAIMED
      return sequence < this.#next && !isClaimed ? 'started' : 'waiting'
    }
    return 'passed'
  }

  hasRoom({ maxCount, maxBytes, maxSpan }: ProcessQueueLimits): boolean {
    return (
      this.#unfinishedCount < maxCount &&
      this.#unfinishedBytes < maxBytes &&
      this.#tail - this.#head < maxSpan
    )
  }

  /** Takes in what a pull found; `nextOffset` lies behind everything that the pull looked at. */
  append(messages: readonly MessageView[], nextOffset: number): void {
    this.#reserve(messages.length)
    for (const message of messages) {
      const index = this.#tail & this.#mask
      const size = message.storeSize
      this.#messages[index] = message
      this.#sizes[index] = size
      this.#unfinishedBytes += size
      this.#tail += 1
    }
    this.#unfinishedCount += messages.length
    this.#nextOffset = nextOffset
  }

  /** Goes on elsewhere, since nothing of interest lies before that. */
  moveTo(nextOffset: number): void {
    this.#nextOffset = nextOffset
  }

  /** Starts up to `maxCount` messages from `nextSequence` on; answers how many. */
  take(maxCount: number): number {
    const count = Math.min(maxCount, this.waitingCount)
    this.#next += count
    this.#runningCount += count
    return count
  }

  /**
   * Leaves the messages from `nextSequence` on to somebody who starts them one by one, in an order of his own; answers how
   * many they are.
   */
  claim(): number {
    const count = this.waitingCount
    for (let sequence = this.#next; sequence < this.#next + count; sequence++)
      this.#marks[sequence & this.#mask] = Mark.CLAIMED
    this.#next += count
    return count
  }

  /** Starts a claimed message; answers false when the queue is dropped. */
  startClaimed(sequence: number): boolean {
    if (this.#isDropped) return false
    this.#marks[sequence & this.#mask] = Mark.NONE
    this.#runningCount += 1
    return true
  }

  /** A running message is not started after all: it is claimed again. */
  unstart(sequence: number): void {
    this.#marks[sequence & this.#mask] = Mark.CLAIMED
    this.#leave(1)
  }

  /** A message that is not finished. */
  messageAt(sequence: number): MessageView {
    return this.#messages[sequence & this.#mask]!
  }

  /** Shows an unfinished message otherwise from now on: with one more failed attempt. */
  replace(sequence: number, message: MessageView): void {
    this.#messages[sequence & this.#mask] = message
  }

  /** A running message is done with: consumed, or stored as a retry or a dead letter. */
  finish(sequence: number): void {
    const index = sequence & this.#mask
    this.#unfinishedCount -= 1
    this.#unfinishedBytes -= this.#sizes[index]!
    this.#done?.set(sequence, this.messageAt(sequence).queueOffset)
    this.#messages[index] = undefined
    this.#marks[index] = Mark.FINISHED
    while (this.#marks[this.#head & this.#mask] === Mark.FINISHED) {
      this.#marks[this.#head & this.#mask] = Mark.NONE
      this.#done?.delete(this.#head)
      this.#head += 1
    }
    this.#onFinished()
    this.#leave(1)
  }

  /** A running message could neither be finished nor sent back: it waits to be started again. */
  setAside(): void {
    this.#leave(1)
  }

  /** The last running messages, which were started in order, are not started after all: they are next again. */
  putBack(count: number): void {
    this.#next -= count
    this.#leave(count)
  }

  /** Starts a message again that was set aside; answers false when the queue is dropped. */
  takeAgain(): boolean {
    if (this.#isDropped) return false
    this.#runningCount += 1
    return true
  }

  /** Starts nothing more. Resolves when nothing runs any more, or when told to give up. */
  drop(): Promise<void> {
    this.#isDropped = true
    if (this.#runningCount === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** Starts nothing more, and lets nothing that runs count. */
  discard(): void {
    this.#isDropped = true
    this.#isDiscarded = true
  }

  /** Ends the wait of `drop` although something runs. */
  giveUp(): void {
    this.#onIdle?.()
  }

  #leave(count: number): void {
    this.#runningCount -= count
    if (this.#runningCount === 0 && this.#isDropped) this.#onIdle?.()
  }

  #reserve(count: number): void {
    const used = this.#tail - this.#head
    if (used + count <= this.#mask + 1) return
    let capacity = (this.#mask + 1) * 2
    while (capacity < used + count) capacity *= 2
    const messages: (MessageView | undefined)[] = new Array(capacity)
    const sizes = new Uint32Array(capacity)
    const marks = new Uint8Array(capacity)
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const from = sequence & this.#mask
      const to = sequence & (capacity - 1)
      messages[to] = this.#messages[from]
      sizes[to] = this.#sizes[from]!
      marks[to] = this.#marks[from]!
    }
    this.#messages = messages
    this.#sizes = sizes
    this.#marks = marks
    this.#mask = capacity - 1
  }
}
