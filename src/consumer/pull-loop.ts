/**
 * Fetches one queue as long as the member holds it (RocketMQ `DefaultMQPushConsumerImpl#pullMessage`): one pull at a
 * time, as far ahead of the listener as the thresholds allow, on from where the group stands.
 */
import type { Engine, FailedAttempts } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { PullResult } from '../model/results.ts'
import type { MessageFilter } from '../model/subscription.ts'
import { AttemptedMessage } from './attempted-message.ts'
import type { QueueInspection } from './inspection.ts'
import { ProcessQueue, type ProcessQueueLimits } from './process-queue.ts'
import { findStart, type StartWish } from './start-offset.ts'

/** How long the loop rests after a failed pull (RocketMQ `pullTimeDelayMillsWhenException`). */
const ERROR_DELAY_MS = 1000
/** Pulls that may follow each other without leaving a turn to others. */
const PULLS_PER_TURN = 32

/** Where fetched messages go. */
export interface MessageTaker {
  /** Nothing is to be fetched for now. */
  readonly isPaused: boolean
  /** This queue has messages to start. */
  offer(queue: ProcessQueue): void
}

/** Commits how far the application is with what a loop fetched. */
export interface ProgressKeeper {
  onProgress(): void
  /** Commits for the last time. */
  close(): Promise<void>
  /** Commits nothing more. */
  discard(): void
}

/** What all loops of a consumer share. */
export interface PullLoopHost {
  readonly engine: Engine
  readonly group: string
  readonly startWish: StartWish
  readonly pullBatchSize: number
  readonly suspendMs: number
  /** How long the loop rests when a pull found messages. Default 0. */
  readonly pullIntervalMs?: number | undefined
  /** Looked at anew each time. */
  readonly limits: ProcessQueueLimits
  readonly dispatcher: MessageTaker
  /**
   * `committedOffset` is what the group has stored, -1 when it has nothing. When the application chose where to go on, that
   * counts no more, and the next commit may go back.
   */
  createKeeper(source: ProcessQueue, committedOffset: number, mayGoBack: boolean): ProgressKeeper
  /** How often messages failed that stay in their place; absent where they do not, or where nobody remembers. */
  queryAttempts?(queue: MessageQueue): Promise<readonly FailedAttempts[]>
  /**
   * Remembers that the messages with these offsets are done, though others before them are not: whoever goes on with the
   * queue learns it from `queryAttempts`. Absent where nobody remembers, or nothing finishes out of order for long.
   */
  storeDone?(queue: MessageQueue, offsets: readonly number[]): Promise<void>
  /** Whether a message is done although no offset says so: it is passed over. Absent where offsets say all. */
  readonly isDone?: ((message: MessageView) => boolean) | undefined
  /** Messages between two offsets are gone: retention was faster than the consumer. */
  onSkipped?(queue: MessageQueue, fromOffset: number, toOffset: number): void
  /** A pull was answered. */
  onPulled?(messageCount: number, durationMs: number): void
  onError(error: MQError): void
}

/** What is fetched since the loop started, or was last sent elsewhere. */
interface Position {
  readonly processQueue: ProcessQueue
  readonly keeper: ProgressKeeper
  /** Ends a pull that waits. */
  ending: AbortController
  /** What is known of messages that are not fetched yet, by ascending offsets. */
  attempts: readonly FailedAttempts[]
  /** Monotonic time at which that became known. */
  recalledMs: number
}

export class PullLoop {
  readonly queue: MessageQueue
  readonly #host: PullLoopHost
  readonly #isNewQueue: boolean
  /** Resolves when the loop knows where it starts, has failed to learn it, or is stopped. */
  readonly positioned: Promise<void>
  #onPositioned: () => void = () => undefined
  #filter: MessageFilter

  #position: Position | undefined
  /** Queues of earlier positions, which listeners may still be busy with. */
  #former: ProcessQueue[] = []
  #restartCount = 0
  /** The highest offset that the queue was found to have; what the group has stored may lie above. */
  #highestStart = Number.POSITIVE_INFINITY
  #isStopped = false
  #waitsForRoom = false
  #wakeUp: (() => void) | undefined
  #pullsInTurn = 0
  #lastErrorText = ''
  /** Monotonic time until which the loop rests after a failed pull. */
  #restUntilMs: number | undefined

  /** A new queue came into being while the member was there to see it. */
  constructor(host: PullLoopHost, queue: MessageQueue, filter: MessageFilter, isNewQueue = false) {
    this.#host = host
    this.queue = queue
    this.#filter = filter
    this.#isNewQueue = isNewQueue
    this.positioned = new Promise((resolve) => {
      this.#onPositioned = resolve
    })
  }

  /** Messages that are fetched and not finished. */
  get unfinishedCount(): number {
    return this.#position?.processQueue.unfinishedCount ?? 0
  }

  /** Messages that a listener or a send-back is busy with. */
  get runningCount(): number {
    return this.#processQueues().reduce((sum, { runningCount }) => sum + runningCount, 0)
  }

  /** What the loop is doing. */
  inspect(): QueueInspection {
    const processQueue = this.#position?.processQueue
    return {
      nextOffset: processQueue?.nextOffset,
      committableOffset: processQueue?.committableOffset,
      unfinishedCount: processQueue?.unfinishedCount ?? 0,
      unfinishedBytes: processQueue?.unfinishedBytes ?? 0,
      span: processQueue?.span ?? 0,
      limits: this.#host.limits,
      failure:
        this.#restUntilMs === undefined
          ? undefined
          : { text: this.#lastErrorText, retryMs: this.#restUntilMs },
      stateOf: (offset) => processQueue?.stateOf(offset) ?? 'unfetched',
    }
  }

  start(): void {
    void this.#run()
  }

  /** Fetches by another filter from now on; what is fetched already stays. */
  useFilter(filter: MessageFilter): void {
    if (filter === this.#filter) return
    this.#filter = filter
    this.interrupt()
  }

  /** There may be room for more, or a pause may be over. */
  wake(): void {
    if (this.#waitsForRoom) this.#goOn()
  }

  /** Ends a pull that waits; the next one is not made before the pause is over. */
  interrupt(): void {
    const position = this.#position
    if (position === undefined || this.#isStopped) return
    position.ending.abort()
    position.ending = new AbortController()
  }

  /** Stops pulling, drops what is not started, lets running listeners settle, and commits the offset. */
  async retire(): Promise<void> {
    this.#stop()
    await Promise.all(this.#processQueues().map((processQueue) => processQueue.drop()))
    await this.#storeDone()
    await this.#position?.keeper.close()
  }

  /** Ends the wait of `retire` for listeners that do not settle. */
  giveUp(): void {
    for (const processQueue of this.#processQueues()) processQueue.giveUp()
  }

  /** Stops at once and commits nothing more: the queue is somebody else's already. */
  discard(): void {
    this.#stop()
    this.#leavePosition()
  }

  /** Drops what is fetched and starts again where the group stands now; when it is retiring, it commits nothing more. */
  restart(): void {
    this.#restartCount += 1
    this.#leavePosition()
    this.#goOn()
  }

  /** Drops what is fetched and goes on at an offset that the application chose. */
  seek(offset: number): void {
    if (this.#isStopped) return
    this.restart()
    this.#enterPosition(offset, -1, true)
    this.#onPositioned()
  }

  #stop(): void {
    this.#isStopped = true
    this.#position?.ending.abort()
    this.#goOn()
  }

  /** What could not be stored is delivered again. */
  async #storeDone(): Promise<void> {
    const offsets = this.#position?.processQueue.doneOffsets ?? []
    if (offsets.length === 0) return
    try {
      await this.#host.storeDone?.(this.queue, offsets)
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
  }

  #goOn(): void {
    this.#wakeUp?.()
    this.#wakeUp = undefined
  }

  #leavePosition(): void {
    const position = this.#position
    if (position === undefined) return
    this.#position = undefined
    this.#former = [...this.#former.filter(({ runningCount }) => runningCount > 0), position.processQueue]
    position.ending.abort()
    position.keeper.discard()
    position.processQueue.discard()
  }

  #processQueues(): ProcessQueue[] {
    return this.#position === undefined ? this.#former : [...this.#former, this.#position.processQueue]
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        if (this.#position === undefined) await this.#findPosition()
        else await this.#pull(this.#position)
      } catch (error) {
        this.#onPositioned()
        if (!this.#isStopped) await this.#rest(MQError.from(error))
      }
    }
    this.#onPositioned()
  }

  async #findPosition(): Promise<void> {
    const restartCount = this.#restartCount
    const { engine, group, startWish } = this.#host
    const { offset, isStored } = await findStart(engine, group, this.queue, startWish, this.#isNewQueue)
    const attempts = (await this.#host.queryAttempts?.(this.queue)) ?? NO_ATTEMPTS
    if (this.#isStopped || this.#restartCount !== restartCount) return
    const startOffset = Math.min(offset, this.#highestStart)
    const position = this.#enterPosition(startOffset, isStored ? offset : -1)
    position.attempts = attempts
    position.recalledMs = engine.clock.monotonicMs()
    // From its first assignment on the group has an offset, so that nothing is missed if it stops and comes back.
    if (!isStored) position.keeper.onProgress()
    this.#onPositioned()
  }

  #enterPosition(startOffset: number, committedOffset: number, mayGoBack = false): Position {
    const keepsDone = this.#host.storeDone !== undefined
    const onFinished = (): void => this.#onFinished(position)
    const processQueue = new ProcessQueue(this.queue, startOffset, onFinished, keepsDone)
    const keeper = this.#host.createKeeper(processQueue, committedOffset, mayGoBack)
    const position: Position = {
      processQueue,
      keeper,
      ending: new AbortController(),
      attempts: NO_ATTEMPTS,
      recalledMs: 0,
    }
    this.#position = position
    this.#highestStart = Number.POSITIVE_INFINITY
    return position
  }

  async #pull(position: Position): Promise<void> {
    if (!this.#mayPull(position)) {
      this.#waitsForRoom = true
      await this.#change()
      this.#waitsForRoom = false
      return
    }
    if (this.#pullsInTurn === PULLS_PER_TURN) {
      await this.#nextTurn()
      return
    }
    this.#pullsInTurn += 1
    const { engine, group, pullBatchSize, suspendMs, pullIntervalMs = 0 } = this.#host
    const startMs = engine.clock.monotonicMs()
    const result = await engine.pullMessage({
      group,
      queue: this.queue,
      offset: position.processQueue.nextOffset,
      maxCount: pullBatchSize,
      filter: this.#filter,
      suspendMs,
      signal: position.ending.signal,
    })
    this.#lastErrorText = ''
    // An answer to a question from before a restart is of no use.
    if (position !== this.#position || this.#isStopped) return
    this.#host.onPulled?.(result.messages.length, engine.clock.monotonicMs() - startMs)
    this.#accept(position, result)
    if (result.status === 'FOUND' && pullIntervalMs > 0) await this.#restFor(pullIntervalMs)
  }

  #accept(position: Position, { status, messages, nextBeginOffset, maxOffset }: PullResult): void {
    const { processQueue, keeper } = position
    processQueue.noteEnd(maxOffset)
    if (status === 'FOUND') {
      const { isDone } = this.#host
      const found = recalled(position, messages)
      const undone = isDone === undefined ? found : found.filter((message) => !isDone(message))
      processQueue.append(undone, nextBeginOffset)
      if (undone.length > 0) this.#host.dispatcher.offer(processQueue)
      else keeper.onProgress()
    } else if (nextBeginOffset >= processQueue.nextOffset) {
      if (status === 'OFFSET_ILLEGAL')
        this.#host.onSkipped?.(this.queue, processQueue.nextOffset, nextBeginOffset)
      processQueue.moveTo(nextBeginOffset)
      keeper.onProgress()
    } else {
      // The queue ends before the offset: it was made anew, or its end was lost.
      this.#highestStart = nextBeginOffset
      this.restart()
    }
  }

  #mayPull({ processQueue }: Position): boolean {
    return !this.#host.dispatcher.isPaused && processQueue.hasRoom(this.#host.limits)
  }

  #onFinished(position: Position): void {
    position.keeper.onProgress()
    if (this.#waitsForRoom && this.#mayPull(position)) this.#goOn()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve
    })
  }

  #nextTurn(): Promise<void> {
    this.#pullsInTurn = 0
    return new Promise((resolve) => this.#host.engine.clock.defer(resolve))
  }

  async #rest(error: MQError): Promise<void> {
    // A deleted topic is no failure: the queue is about to be taken away.
    if (error.message !== this.#lastErrorText && error.code !== 'TOPIC_NOT_EXIST') this.#host.onError(error)
    this.#lastErrorText = error.message
    this.#restUntilMs = this.#host.engine.clock.monotonicMs() + ERROR_DELAY_MS
    await this.#restFor(ERROR_DELAY_MS)
    this.#restUntilMs = undefined
  }

  async #restFor(restMs: number): Promise<void> {
    const timer = this.#host.engine.clock.setTimer(restMs, () => this.#goOn())
    await this.#change()
    timer.cancel()
  }
}

/** Attempts before a hand-over or a restart count too, and what was done before it is not delivered again. */
function recalled(position: Position, messages: readonly MessageView[]): readonly MessageView[] {
  const { attempts, recalledMs } = position
  if (attempts.length === 0) return messages
  const times = new Map(attempts.map(({ queueOffset, reconsumeTimes }) => [queueOffset, reconsumeTimes]))
  const lastOffset = messages.at(-1)?.queueOffset ?? 0
  position.attempts = attempts.filter(({ queueOffset }) => queueOffset > lastOffset)
  const undone = messages.filter(({ queueOffset }) => times.get(queueOffset) !== DONE)
  return undone.map((message) => {
    const reconsumeTimes = times.get(message.queueOffset)
    return reconsumeTimes === undefined ? message : AttemptedMessage.of(message, reconsumeTimes, recalledMs)
  })
}

const NO_ATTEMPTS: readonly FailedAttempts[] = Object.freeze([])
/** The number of attempts that stands for a message that is done. */
const DONE = 0
