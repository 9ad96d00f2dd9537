/**
 * Hands failed messages back to the engine, which retries them later or makes them dead letters (RocketMQ
 * `sendMessageBack`). A message that cannot be handed back stays where it is and is delivered again after a while.
 */
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import type { ProcessQueue } from './process-queue.ts'

/** How long a message that could not be sent back waits until it is delivered again (RocketMQ: 5 s). */
const REDELIVERY_DELAY_MS = 5000

/** As a delay level: no retry, a dead letter at once. */
const DEAD_LETTER_LEVEL = -1

/** A message that waits to be delivered again. */
export interface Redelivery {
  readonly queue: ProcessQueue
  readonly sequence: number
  /** Monotonic time. */
  readonly dueMs: number
}

export interface SendBackHost {
  readonly engine: Engine
  readonly group: string
  readonly maxReconsumeTimes: number
  redeliver(due: readonly Redelivery[]): void
  onError(error: MQError): void
}

export class SendBack {
  readonly #host: SendBackHost
  readonly #setAside: Redelivery[] = []
  #timer: Timer | undefined

  constructor(host: SendBackHost) {
    this.#host = host
  }

  /** Sends a running message back; it is finished as soon as that is stored. Of a discarded queue it comes again anyway. */
  async send(queue: ProcessQueue, sequence: number, delayLevel: number, reason: string): Promise<void> {
    try {
      if (!queue.isDiscarded) await this.#send(queue.messageAt(sequence), delayLevel, reason)
    } catch (error) {
      this.#keep(queue, sequence, MQError.from(error))
      return
    }
    queue.finish(sequence)
  }

  /** When a message that was set aside is delivered again, in monotonic time. */
  redeliveryMs(messageQueue: MessageQueue, offset: number): number | undefined {
    const key = queueKey(messageQueue)
    const found = this.#setAside.find(
      ({ queue, sequence }) =>
        queueKey(queue.queue) === key && queue.messageAt(sequence)?.queueOffset === offset,
    )
    return found?.dueMs
  }

  /** Nothing is delivered again after this. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#setAside.length = 0
  }

  async #send(message: MessageView, delayLevel: number, reason: string): Promise<void> {
    const { engine, group, maxReconsumeTimes } = this.#host
    try {
      await engine.sendMessageBack({ group, message, delayLevel, maxReconsumeTimes, reason })
    } catch (error) {
      // Retention was faster: there is nothing left to retry from, but a dead letter can be made of what is in memory.
      const isGone = error instanceof MQError && error.code === 'NO_MESSAGE'
      if (!isGone || delayLevel === DEAD_LETTER_LEVEL) throw error
      await this.#send(message, DEAD_LETTER_LEVEL, reason)
    }
  }

  #keep(queue: ProcessQueue, sequence: number, error: MQError): void {
    queue.setAside()
    this.#host.onError(error)
    if (queue.isDropped) return
    this.#setAside.push({
      queue,
      sequence,
      dueMs: this.#host.engine.clock.monotonicMs() + REDELIVERY_DELAY_MS,
    })
    this.#timer ??= this.#host.engine.clock.setTimer(REDELIVERY_DELAY_MS, this.#onTimer)
  }

  readonly #onTimer = (): void => {
    const nowMs = this.#host.engine.clock.monotonicMs()
    const dueCount = this.#setAside.findIndex(({ dueMs }) => dueMs > nowMs)
    const due = this.#setAside.splice(0, dueCount === -1 ? this.#setAside.length : dueCount)
    const [next] = this.#setAside
    this.#timer =
      next === undefined ? undefined : this.#host.engine.clock.setTimer(next.dueMs - nowMs, this.#onTimer)
    this.#host.redeliver(due)
  }
}
