/**
 * Fetches one queue as long as the member holds it (RocketMQ `DefaultMQPushConsumerImpl#pullMessage`): one pull at a
 * time, as far ahead of the listener as the thresholds allow, on from where the group stands.
 */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { PullResult } from '../model/results.ts'
import type { MessageFilter } from '../model/subscription.ts'
import type { ConcurrentDispatcher } from './dispatcher-concurrent.ts'
import type { QueueInspection } from './inspection.ts'
import { OffsetKeeper } from './offset-keeper.ts'
import { ProcessQueue, type ProcessQueueLimits } from './process-queue.ts'
import { findStart, type StartWish } from './start-offset.ts'

/** How long the loop rests after a failed pull (RocketMQ `pullTimeDelayMillsWhenException`). */
const ERROR_DELAY_MS = 1000
/** Pulls that may follow each other without leaving a turn to others. */
const PULLS_PER_TURN = 32

/** What all loops of a consumer share. */
export interface PullLoopHost {
  readonly engine: Engine
  readonly group: string
  readonly startWish: StartWish
  readonly pullBatchSize: number
  readonly suspendMs: number
  readonly limits: ProcessQueueLimits
  readonly dispatcher: ConcurrentDispatcher
  onError(error: MQError): void
}

/** What is fetched since the loop started, or was last sent elsewhere. */
interface Position {
  readonly processQueue: ProcessQueue
  readonly keeper: OffsetKeeper
  /** Ends a pull that waits. */
  readonly ending: AbortController
}

export class PullLoop {
  readonly queue: MessageQueue
  readonly #host: PullLoopHost
  readonly #filter: MessageFilter

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

  constructor(host: PullLoopHost, queue: MessageQueue, filter: MessageFilter) {
    this.#host = host
    this.queue = queue
    this.#filter = filter
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

  /** What the loop waits for may have come. */
  wake(): void {
    this.#wakeUp?.()
    this.#wakeUp = undefined
  }

  /** Stops pulling, drops what is not started, lets running listeners settle, and commits the offset. */
  async retire(): Promise<void> {
    this.#stop()
    await Promise.all(this.#processQueues().map((processQueue) => processQueue.drop()))
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
    this.wake()
  }

  #stop(): void {
    this.#isStopped = true
    this.#position?.ending.abort()
    this.wake()
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
        if (!this.#isStopped) await this.#rest(MQError.from(error))
      }
    }
  }

  async #findPosition(): Promise<void> {
    const restartCount = this.#restartCount
    const { engine, group, startWish } = this.#host
    const { offset, isStored } = await findStart(engine, group, this.queue, startWish)
    if (this.#isStopped || this.#restartCount !== restartCount) return
    const startOffset = Math.min(offset, this.#highestStart)
    this.#highestStart = Number.POSITIVE_INFINITY
    const processQueue = new ProcessQueue(this.queue, startOffset, () => this.#onFinished(position))
    const keeper = new OffsetKeeper(this.#host, processQueue, isStored ? offset : -1)
    const position = { processQueue, keeper, ending: new AbortController() }
    this.#position = position
    // From its first assignment on the group has an offset, so that nothing is missed if it stops and comes back.
    if (!isStored) keeper.onProgress()
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
    const { engine, group, pullBatchSize, suspendMs } = this.#host
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
    if (position === this.#position && !this.#isStopped) this.#accept(position, result)
  }

  #accept({ processQueue, keeper }: Position, { status, messages, nextBeginOffset }: PullResult): void {
    if (status === 'FOUND') {
      processQueue.append(messages, nextBeginOffset)
      this.#host.dispatcher.offer(processQueue)
    } else if (nextBeginOffset >= processQueue.nextOffset) {
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
    if (this.#waitsForRoom && this.#mayPull(position)) this.wake()
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
    const { clock } = this.#host.engine
    this.#restUntilMs = clock.monotonicMs() + ERROR_DELAY_MS
    const timer = clock.setTimer(ERROR_DELAY_MS, () => this.wake())
    await this.#change()
    timer.cancel()
    this.#restUntilMs = undefined
  }
}
