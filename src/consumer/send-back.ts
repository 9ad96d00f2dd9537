/**
 * Hands failed messages back to the engine, which retries them later or makes them dead letters (RocketMQ
 * `sendMessageBack`). A message that cannot be handed back stays where it is and is delivered again after a while; what
 * could not be stored does not count as an attempt.
 */
import { GIVE_UP_LEVEL } from '../model/delay-levels.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { Inbox } from '../model/inbox.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { FailureTaker } from './failure-taker.ts'
import type { ProcessQueue } from './process-queue.ts'
import { Redeliveries, type Redelivery } from './redeliveries.ts'

export interface SendBackHost {
  readonly engine: Engine
  readonly group: string
  readonly maxReconsumeTimes: number
  readonly inbox?: Inbox | undefined
  redeliver(due: readonly Redelivery[]): void
  onError(error: MQError): void
}

export class SendBack implements FailureTaker {
  readonly fate = 'is retried later'
  readonly #host: SendBackHost
  readonly #redeliveries: Redeliveries

  constructor(host: SendBackHost) {
    this.#host = host
    this.#redeliveries = new Redeliveries(host.engine.clock, (due) => host.redeliver(due))
  }

  fail(queue: ProcessQueue, sequence: number, delayLevel: number, reason: string): void {
    void this.#fail(queue, sequence, delayLevel, reason)
  }

  redeliveryMs(queue: MessageQueue, offset: number): number | undefined {
    return this.#redeliveries.dueMs(queue, offset)
  }

  stop(): void {
    this.#redeliveries.stop()
  }

  /** The message is finished as soon as its retry is stored. Of a discarded queue it comes again anyway. */
  async #fail(queue: ProcessQueue, sequence: number, delayLevel: number, reason: string): Promise<void> {
    try {
      const message = queue.messageAt(sequence)
      if (!queue.isDiscarded && !(await this.#isCommitted(message)))
        await this.#send(message, delayLevel, reason)
    } catch (error) {
      this.#host.onError(MQError.from(error))
      this.#redeliveries.add(queue, sequence)
      return
    }
    queue.finish(sequence)
  }

  /** What was committed is done, whatever became of its listener; a retry of it would be one too many. */
  async #isCommitted(message: MessageView): Promise<boolean> {
    const { inbox, group } = this.#host
    if (inbox === undefined) return false
    await inbox.settled(group, message)
    return inbox.isCommitted(group, message)
  }

  async #send(message: MessageView, delayLevel: number, reason: string): Promise<void> {
    const { engine, group, maxReconsumeTimes } = this.#host
    try {
      await engine.sendMessageBack({ group, message, delayLevel, maxReconsumeTimes, reason })
    } catch (error) {
      // Retention was faster: there is nothing left to retry from, but a dead letter can be made of what is in memory.
      const isGone = error instanceof MQError && error.code === 'NO_MESSAGE'
      if (!isGone || delayLevel === GIVE_UP_LEVEL) throw error
      await this.#send(message, GIVE_UP_LEVEL, reason)
    }
  }
}
