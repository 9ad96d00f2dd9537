/** What rules about priorities do: send messages whose bodies say their priority, and receive them one by one. */
import type { SimpleConsumer } from '../../consumer/simple-consumer.ts'
import type { EngineMQ } from './engine-mq.ts'
import { numbers, send } from './kit.ts'
import { receiveTexts } from './kit-receivers.ts'
import type { ConformanceWorld } from './world.ts'

/** Ten priorities, in no order. */
export const MIXED = [3, 9, 0, 5, 1, 8, 2, 7, 4, 6]
/** The bodies of a message of each, the most urgent first. */
export const DESCENDING = numbers(10).reverse()

/** A priority topic `orders`, of ten queues unless told otherwise. */
export function openPriorities(world: ConformanceWorld, queues?: number): Promise<EngineMQ> {
  return world.open({ topics: [{ topic: 'orders', queues, priority: true }] })
}

/** Sends one message of each of these priorities, whose body says it. */
export async function sendEach(mq: EngineMQ, priorities: readonly number[]): Promise<number[]> {
  const queueIds: number[] = []
  for (const priority of priorities)
    queueIds.push((await send(mq, `${priority}`, { priority }))[0]!.queue.queueId)
  return queueIds
}

/** Receives one after another until there is nothing more. */
export async function receiveEach(consumer: SimpleConsumer): Promise<string[]> {
  const texts: string[] = []
  for (;;) {
    const [text] = await receiveTexts(consumer, { maxMessages: 1 })
    if (text === undefined) return texts
    texts.push(text)
  }
}
