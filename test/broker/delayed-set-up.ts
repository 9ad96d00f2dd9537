/** What tests of delayed messages share: sends with a delay, and stores whose disk fails, hangs or ends. */
import { onTestFinished } from 'vitest'
import type { DelayedQuery } from '../../src/model/delay-verbs.ts'
import { silentLogger } from '../../src/model/logger.ts'
import type { Message, MessageView } from '../../src/model/message.ts'
import type { DelayedMessage, SendReceipt } from '../../src/model/results.ts'
import { Store } from '../../src/store/store.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from '../../src/store/store-options.ts'
import type { FaultMedium } from '../helpers/fault-medium.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { TestBroker } from './set-up.ts'

export const DAY_MS = 86_400_000
export const MINUTE_MS = 60_000

/** Sends one message with a level or a time. */
export function sendDelayed(
  shop: TestBroker,
  message: Partial<Message>,
  { queueId = 0, timeoutMs = 3000 } = {},
): Promise<SendReceipt> {
  const messages = shop.outgoing(message)
  const queue = shop.queue(messages.topic, queueId)
  const request = { producerGroup: 'producers', queue, messages, timeoutMs }
  if (messages.delay === undefined) return shop.broker.sendMessage(request)
  return shop.broker.delay.sendDelayedMessage(request, messages.delay)
}

/** Sends one for a time so long from now; answers its receipt, which has a handle. */
export async function sendIn(
  shop: TestBroker,
  delayMs: number,
  message: Partial<Message> = {},
): Promise<SendReceipt & { readonly recallHandle: string }> {
  const receipt = await sendDelayed(shop, { ...message, deliveryTimestamp: shop.clock.now() + delayMs })
  if (receipt.recallHandle === undefined) throw new Error('the receipt has no handle')
  return receipt as SendReceipt & { readonly recallHandle: string }
}

/** What lies in a queue. */
export async function delivered(shop: TestBroker, queueId = 0, topic = 'orders'): Promise<MessageView[]> {
  const end = await shop.broker.maxOffset(shop.queue(topic, queueId))
  const offsets = Array.from({ length: end }, (_, offset) => offset)
  return Promise.all(offsets.map((offset) => shop.broker.viewMessage(shop.queue(topic, queueId), offset)))
}

export async function texts(shop: TestBroker, queueId = 0): Promise<string[]> {
  return (await delivered(shop, queueId)).map((message) => message.text())
}

/** What waits for its time. */
export function waiting(
  shop: TestBroker,
  query: Partial<DelayedQuery> = {},
): Promise<readonly DelayedMessage[]> {
  const all = { topic: 'orders', begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 1024 }
  return shop.broker.delay.queryDelayedMessages({ ...all, ...query })
}

export async function waitingTexts(shop: TestBroker): Promise<string[]> {
  return (await waiting(shop)).map(({ message }) => message.text())
}

/** Holds the commits of the store up until the answered function is called; in the order in which they came. */
export function holdCommits(shop: TestBroker): () => void {
  const commit = shop.store.commit.bind(shop.store)
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  shop.store.commit = async (change) => {
    await released
    return commit(change)
  }
  return release
}

/** A broker on a disk of which calls may fail, hang or be the last. It closes itself unless its machine stands still. */
export async function openOn(
  medium: FaultMedium,
  clock: ManualClock = new ManualClock(),
  options: Partial<StoreOptions> = {},
  settings: object = {},
): Promise<TestBroker> {
  const store = await Store.open({
    ...DEFAULT_STORE_OPTIONS,
    storage: 'disk',
    brokerName: 'localhost',
    clock,
    random: { next: () => 0.5 },
    logger: silentLogger,
    medium,
    ...options,
  })
  const shop = new TestBroker(clock, store, settings)
  onTestFinished(async () => {
    if (!medium.gate.isStopped) await shop.close()
  })
  return shop
}
