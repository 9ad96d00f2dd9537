/** What rules about message groups do: send messages that say their group, and watch over the order of each. */
import { strict as assert } from 'node:assert'
import type { ConsumeResult, MessageListener } from '../../consumer/message-listener.ts'
import type { MessageView } from '../../model/message.ts'
import type { SendReceipt } from '../../model/results.ts'
import type { EngineMQ } from './engine-mq.ts'
import { numbers, queueOf, type SubscribeOptions, send, subscribe } from './kit.ts'
import { onDemand, type PendingCall } from './kit-members.ts'

/** An orderly consumer that keeps the order of each message group, and not that of the queue. */
export const accelerated = { mode: 'orderly', enableFifoConsumeAccelerator: true } as const

/** The message group of a message such as `a1` is its letter; one that begins with a dash has none. */
function groupOf(text: string): string | undefined {
  return text.startsWith('-') ? undefined : text[0]
}

/** Sends messages such as `a1 b1 a2 -1`, in this order. */
export async function sendGrouped(mq: EngineMQ, texts: string): Promise<readonly SendReceipt[]> {
  const receipts = texts.split(' ').map((text) => send(mq, text, { messageGroup: groupOf(text) }))
  return (await Promise.all(receipts)).flat()
}

/** The queues that messages of these groups are sent to, one after another. */
export async function queueIdsOf(mq: EngineMQ, messageGroups: readonly string[]): Promise<number[]> {
  const producer = await mq.producer()
  const ids: number[] = []
  for (const messageGroup of messageGroups)
    ids.push((await producer.send({ topic: 'orders', body: 'x', messageGroup })).queue.queueId)
  return ids
}

/** Everything that the topic `orders` stores, queue by queue, also of queues that consumers do not see. */
export async function storedMessages(mq: EngineMQ): Promise<readonly MessageView[]> {
  const status = await mq.admin.topicStatus('orders')
  const read = await Promise.all(status.map(async ({ queue }) => mq.admin.browse(queue)))
  return read.flat()
}

/** How many messages the queues of the topic `orders` hold. */
export async function storedCounts(mq: EngineMQ, queues: number): Promise<number[]> {
  const counts: number[] = []
  for (let queueId = 0; queueId < queues; queueId++)
    counts.push(await mq.engine.maxOffset(await queueOf(mq, queueId)))
  return counts
}

/** What is stored of a message group, in the order of its queue; it must lie in one queue. */
export function storedOf(messages: readonly MessageView[], messageGroup: string): string[] {
  const ofGroup = messages.filter((message) => message.messageGroup === messageGroup)
  const queueIds = new Set(ofGroup.map(({ queue }) => queue.queueId))
  assert.ok(queueIds.size <= 1, `the group ${messageGroup} is in the queues ${[...queueIds].join(', ')}`)
  return ofGroup.toSorted((a, b) => a.queueOffset - b.queueOffset).map((message) => message.text())
}

/**
 * Watches over all members of a group that each message group is consumed in its order, one message at a time. The bodies of
 * a message group are its name and whole numbers from 0, such as `a-0`.
 */
export class GroupWatch {
  readonly #violations: string[] = []
  readonly #busy = new Map<string, string>()
  /** The number that came last, by message group. */
  readonly #last = new Map<string, number>()

  /** A listener that is watched. */
  around(listener: MessageListener): MessageListener {
    return async (message, context) => {
      const group = message.messageGroup ?? ''
      this.#begin(group, message.text())
      try {
        return await listener(message, context)
      } finally {
        this.#busy.delete(group)
      }
    }
  }

  /** After a crash calls do not end, and each group may begin again where it was before. */
  forget(): void {
    this.#busy.clear()
    this.#last.clear()
  }

  /** Nothing may have overtaken another message of its group, and nothing may have been in flight beside one. */
  check(): void {
    assert.deepEqual(this.#violations, [])
  }

  #begin(group: string, text: string): void {
    const number = Number(text.slice(text.indexOf('-') + 1))
    const [busyWith, last] = [this.#busy.get(group), this.#last.get(group)]
    if (busyWith !== undefined) this.#violations.push(`${text} came while ${busyWith} was in flight`)
    if (last !== undefined && number !== last && number !== last + 1)
      this.#violations.push(`${text} came after ${group}-${last}`)
    this.#busy.set(group, text)
    this.#last.set(group, number)
  }
}

/** The calls of a listener, by the bodies of their messages. */
export const textsOfCalls = (calls: readonly PendingCall[]): string[] =>
  calls.map(({ message }) => message.text())

/** The call for this message; the last one when there were several. */
export function callFor(calls: readonly PendingCall[], text: string): PendingCall {
  const call = calls.findLast(({ message }) => message.text() === text)
  assert.ok(call !== undefined, `${text} is not delivered; delivered are ${textsOfCalls(calls).join(' ')}`)
  return call
}

/** An accelerated member of which every call waits for an answer, and messages for it; what can start has started. */
export async function openDesk(mq: EngineMQ, texts: string, options: SubscribeOptions = {}) {
  const { listener, calls } = onDemand()
  const member = await subscribe(mq, { ...accelerated, closeTimeoutMs: 1, ...options, listener })
  await sendGrouped(mq, texts)
  await mq.rest()
  /** Answers for these messages, and lets happen what comes of it. */
  const settle = async (settled: string, result?: ConsumeResult): Promise<void> => {
    for (const text of settled.split(' ')) {
      callFor(calls, text).answer(result)
      await mq.rest()
    }
  }
  return { ...member, calls, settle }
}

/** Message groups of {@link sendRange}. */
export const LETTERS = [...'abcdefghijkl']

/** Sends to each group the numbers of a range, taking turns; answers the bodies, such as `a-0`. */
export async function sendRange(mq: EngineMQ, from: number, count: number): Promise<string[]> {
  const pairs = numbers(count).flatMap((number) =>
    LETTERS.map((group) => [group, `${group}-${from + Number(number)}`] as const),
  )
  await Promise.all(pairs.map(([messageGroup, body]) => send(mq, body, { messageGroup })))
  return pairs.map(([, body]) => body)
}
