/** What rules about the members of a group do: let them join, see who consumes which queue, and decide about each call of a listener. */
import { strict as assert } from 'node:assert'
import type { AllocateStrategy } from '../../allocate/allocate.ts'
import type { ConsumeContext } from '../../consumer/consume-context.ts'
import type { ConsumeResult, MessageListener } from '../../consumer/message-listener.ts'
import type { MessageView } from '../../model/message.ts'
import type { EngineMQ } from './engine-mq.ts'
import { type SubscribeOptions, type Subscriber, subscribe } from './kit.ts'

/** Lets members of these names join one after another. */
export async function join(
  mq: EngineMQ,
  names: readonly string[],
  options: SubscribeOptions = {},
): Promise<Subscriber[]> {
  const members: Subscriber[] = []
  for (const clientId of names) members.push(await subscribe(mq, { clientId, ...options }))
  return members
}

/** The queues of a topic that each member consumes, such as `0,1 | 2`. */
export function allocationOf(members: readonly Subscriber[], topic = 'orders'): string {
  const idsOf = ({ consumer }: Subscriber): number[] =>
    consumer.stats.queues.filter((queue) => queue.topic === topic).map(({ queueId }) => queueId)
  return members.map((member) => idsOf(member).sort((a, b) => a - b)).join(' | ')
}

/** Waits until the members share the queues in this way. */
export async function allocated(
  mq: EngineMQ,
  members: readonly Subscriber[],
  allocation: string,
  topic = 'orders',
): Promise<void> {
  await mq.until(`the allocation is ${allocation}`, () => allocationOf(members, topic) === allocation)
}

/** What all members were given. */
export function textsOfAll(members: readonly Subscriber[]): string[] {
  return members.flatMap((member) => member.texts())
}

/** Each delivery with its attempt, such as `a1`, in their order. */
export function attemptsOf({ deliveries }: Subscriber): string[] {
  return deliveries.map(({ message }) => `${message.text()}${message.deliveryAttempt}`)
}

/** A call of a listener that waits for the rule to decide. */
export interface PendingCall {
  readonly message: MessageView
  readonly context: ConsumeContext
  answer(result?: ConsumeResult): void
}

/** A listener of which every call waits for the rule to answer. */
export function onDemand(): { readonly listener: MessageListener; readonly calls: readonly PendingCall[] } {
  const calls: PendingCall[] = []
  const listener: MessageListener = (message, context) =>
    new Promise((resolve) => {
      calls.push({ message, context, answer: (result) => resolve(result) })
    })
  return { listener, calls }
}

/** A listener that fails for a message with this text as often as the number says, and succeeds otherwise. */
export function failingFor(failures: Readonly<Record<string, number>>): MessageListener {
  return (message) => (message.deliveryAttempt <= (failures[message.text()] ?? 0) ? 'FAILURE' : 'SUCCESS')
}

/** Resolves when so much time of the engine has passed. */
export function pause(mq: EngineMQ, durationMs: number): Promise<void> {
  return new Promise((resolve) => void mq.engine.clock.setTimer(durationMs, resolve))
}

/** Watches over all members of a group that each queue is consumed in its order, one message at a time. */
export class OrderWatch {
  readonly #violations: string[] = []
  /** What is in flight, by queue. */
  readonly #busy = new Map<number, string>()
  /** The offset that came last, by queue. */
  readonly #last = new Map<number, number>()

  /** A listener that is watched. */
  around(listener: MessageListener): MessageListener {
    return async (message, context) => {
      this.#begin(message)
      try {
        return await listener(message, context)
      } finally {
        this.#busy.delete(message.queue.queueId)
      }
    }
  }

  /** After a crash calls do not end, and what was not stored comes again. */
  forget(): void {
    this.#busy.clear()
    this.#last.clear()
  }

  /** Nothing may have overtaken, and nothing may have been in flight beside another message of its queue. */
  check(): void {
    assert.deepEqual(this.#violations, [])
  }

  #begin({ queue: { queueId }, queueOffset }: MessageView): void {
    const what = `offset ${queueOffset} of queue ${queueId}`
    const busyWith = this.#busy.get(queueId)
    const last = this.#last.get(queueId)
    if (busyWith !== undefined) this.#violations.push(`${what} came while ${busyWith} was in flight`)
    if (last !== undefined && queueOffset !== last && queueOffset !== last + 1)
      this.#violations.push(`${what} came after offset ${last}`)
    this.#busy.set(queueId, what)
    this.#last.set(queueId, queueOffset)
  }
}

/**
 * Shows a strategy the queues as those of other brokers, and of another topic if it is named: an engine has one broker, but
 * some strategies care for several.
 */
export function renaming(
  inner: AllocateStrategy,
  brokerNameOf: (index: number) => string,
  topic?: string,
): AllocateStrategy {
  return {
    name: inner.name,
    allocate: (group, currentId, queues, ids) => {
      const shown = queues.map((queue, index) => ({
        topic: topic ?? queue.topic,
        brokerName: brokerNameOf(index),
        queueId: queue.queueId,
      }))
      const answer = inner.allocate(group, currentId, shown, ids)
      return queues.filter((_, index) => answer.includes(shown[index]!))
    },
  }
}
