/**
 * Failed messages of a consumer that keeps the order: they stay where they are until they have had all their attempts.
 *
 * A group remembers in the engine how often the message failed that a queue waits for, or a message group in it, so that
 * neither a hand-over nor a restart begins to count anew (RocketMQ keeps that in the memory of the client). So does a
 * broadcasting member that comes back under its name.
 */
import type { Engine } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import type { ConsumeCounts } from './consume-counts.ts'
import { dropMessage } from './drop-message.ts'

export interface InPlaceFailures {
  /** Whether a message that has just failed has had all its attempts. */
  isSpent(message: MessageView): boolean
  /** Parts with a message for good; resolves when that is stored. */
  giveUp(message: MessageView, reason: string): Promise<void>
  /** These messages failed once more, which they say themselves, and are delivered again, in order. */
  remember(messages: readonly MessageView[], dueTimestamp: number, reason: string): Promise<void>
}

export interface InPlaceHost {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  /** Whether a broadcasting member comes back under its client id. */
  readonly isNamed: boolean
  readonly maxReconsumeTimes: number
  readonly counts: ConsumeCounts
  readonly emit: EmitEvent
}

/** A message that a group gives up becomes a dead letter. */
export class GroupInPlaceFailures implements InPlaceFailures {
  readonly #host: InPlaceHost

  constructor(host: InPlaceHost) {
    this.#host = host
  }

  isSpent(message: MessageView): boolean {
    return message.reconsumeTimes >= this.#host.maxReconsumeTimes
  }

  async giveUp(message: MessageView, reason: string): Promise<void> {
    const { engine, group, maxReconsumeTimes } = this.#host
    await engine.sendMessageBack({ group, message, delayLevel: -1, maxReconsumeTimes, reason })
  }

  async remember(messages: readonly MessageView[], dueTimestamp: number, reason: string): Promise<void> {
    const { engine, group, emit } = this.#host
    tellOfRetries(emit, group, messages, dueTimestamp, reason)
    const [head] = messages
    if (head !== undefined) await storeAttempts(engine, group, head)
  }
}

/** A message that a broadcasting member gives up is dropped. */
export class MemberInPlaceFailures implements InPlaceFailures {
  readonly #host: InPlaceHost

  constructor(host: InPlaceHost) {
    this.#host = host
  }

  isSpent(message: MessageView): boolean {
    return message.reconsumeTimes >= this.#host.maxReconsumeTimes
  }

  async giveUp(message: MessageView, reason: string): Promise<void> {
    dropMessage(this.#host, message, reason)
  }

  async remember(messages: readonly MessageView[], dueTimestamp: number, reason: string): Promise<void> {
    const { engine, group, clientId, isNamed, emit } = this.#host
    tellOfRetries(emit, group, messages, dueTimestamp, reason)
    const [head] = messages
    if (head !== undefined && isNamed) await storeAttempts(engine, group, head, clientId)
  }
}

/** Remembers how often a message failed, which it says itself. */
export function storeAttempts(
  engine: Engine,
  group: string,
  { queue, queueOffset, reconsumeTimes }: MessageView,
  clientId?: string,
): Promise<void> {
  return engine.updateAttempts(group, queue, [{ queueOffset, reconsumeTimes }], clientId)
}

function tellOfRetries(
  emit: EmitEvent,
  group: string,
  messages: readonly MessageView[],
  dueTimestamp: number,
  reason: string,
): void {
  for (const { topic, messageId, reconsumeTimes } of messages) {
    emit('retry', { group, topic, messageId, reconsumeTimes, dueTimestamp, reason })
  }
}
