/** What tests of transactions share: halves, producers that answer checks, and what lies in a queue. */

import type { Message, MessageView } from '../../src/model/message.ts'
import type { TransactionResolution } from '../../src/model/transaction.ts'
import type { HalfReceipt, TransactionCheck } from '../../src/model/transaction-verbs.ts'
import type { TestBroker } from './set-up.ts'

const GROUP = 'producers'
export const TIMEOUT_MS = 6000
export const INTERVAL_MS = 30_000
export const CHECK_MAX = 15

/** Stores the half of a transaction. */
export function sendHalf(
  shop: TestBroker,
  message: Partial<Message> = {},
  { group = GROUP, queueId = 0, timeoutMs = 3000 } = {},
): Promise<HalfReceipt> {
  const messages = shop.outgoing(message)
  const queue = shop.queue(messages.topic, queueId)
  return shop.broker.transactions.sendHalfMessage({ producerGroup: group, queue, messages, timeoutMs })
}

export function commit(shop: TestBroker, { transactionId }: HalfReceipt, group = GROUP): Promise<void> {
  return shop.broker.transactions.endTransaction(transactionId, group, 'COMMIT')
}

export function rollback(shop: TestBroker, { transactionId }: HalfReceipt, group = GROUP): Promise<void> {
  return shop.broker.transactions.endTransaction(transactionId, group, 'ROLLBACK')
}

/** A producer that answers checks, and what it was asked. */
export class Answerer {
  readonly asked: MessageView[] = []
  /** When it was asked, in milliseconds since the first moment of the test. */
  readonly askedAtMs: number[] = []
  leave: () => void = () => undefined

  get texts(): string[] {
    return this.asked.map((message) => message.text())
  }
}

let joinedCount = 0

/** Joins a producer group; `answer` may be an answer, or what a checker does. */
export function join(
  shop: TestBroker,
  answer: TransactionResolution | TransactionCheck = 'UNKNOWN',
  group = GROUP,
): Answerer {
  const answerer = new Answerer()
  const startTimestamp = shop.clock.now()
  const check = typeof answer === 'function' ? answer : async () => answer
  joinedCount += 1
  answerer.leave = shop.broker.transactions.answerChecks(group, `p${joinedCount}`, (message, id) => {
    answerer.asked.push(message)
    answerer.askedAtMs.push(shop.clock.now() - startTimestamp)
    return check(message, id)
  })
  return answerer
}

/** What lies in a queue. */
export async function stored(shop: TestBroker, topic = 'orders', queueId = 0): Promise<MessageView[]> {
  const end = await shop.broker.maxOffset(shop.queue(topic, queueId))
  const offsets = Array.from({ length: end }, (_, offset) => offset)
  return Promise.all(offsets.map((offset) => shop.broker.viewMessage(shop.queue(topic, queueId), offset)))
}

/** The bodies of what lies in a queue. */
export async function texts(shop: TestBroker, topic = 'orders', queueId = 0): Promise<string[]> {
  return (await stored(shop, topic, queueId)).map((message) => message.text())
}

/** How many halves wait. */
export function halfCount(shop: TestBroker): number {
  return [...shop.store.alarms.values()].filter(({ kind }) => kind === 'transaction').length
}
