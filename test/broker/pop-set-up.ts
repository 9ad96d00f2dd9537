/** Receiving in one line, on top of the broker of `set-up.ts`. */
import { onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { parseBrokerOptions } from '../../src/broker/broker-options.ts'
import type { PoppedMessage, PopRequest } from '../../src/model/engine.ts'
import { silentLogger } from '../../src/model/logger.ts'
import { parseTagExpression } from '../../src/model/subscription.ts'
import { defaultGroupConfig, type GroupConfig } from '../../src/model/topic.ts'
import type { Alarm } from '../../src/store/fact.ts'
import { openBroker, type TestBroker } from './set-up.ts'

/** How long messages are invisible unless a test says otherwise. */
export const INVISIBLE_MS = 30_000
export const RETRY_TOPIC = '%RETRY%billing+orders'

/** What a test says of a receive; the topics as `{ orders: 'a || b' }`. */
export interface Receiving extends Partial<Omit<PopRequest, 'subscriptions'>> {
  readonly topics?: Readonly<Record<string, string>>
}

export class PopShop {
  readonly test: TestBroker

  constructor(test: TestBroker) {
    this.test = test
  }

  get pop() {
    return this.test.broker.pop
  }

  get clock() {
    return this.test.clock
  }

  /** Sends a message with each of these bodies, as one batch. */
  async send(
    bodies: readonly string[],
    { tag, queueId = 0, topic = 'orders' }: SendPlace = {},
  ): Promise<void> {
    const messages = bodies.map((body) => this.test.outgoing({ topic, body, tag }))
    await this.test.sendTo(this.test.queue(topic, queueId), messages)
  }

  receive({ topics = { orders: '*' }, ...request }: Receiving = {}): Promise<readonly PoppedMessage[]> {
    const subscriptions = new Map(
      Object.entries(topics).map(([topic, expression]) => [topic, parseTagExpression(expression)]),
    )
    return this.pop.popMessage({
      group: 'billing',
      clientId: 'c1',
      subscriptions,
      maxCount: 32,
      invisibleDurationMs: INVISIBLE_MS,
      awaitDurationMs: 0,
      ...request,
    })
  }

  /** Receives and answers the bodies. */
  async bodies(receiving: Receiving = {}): Promise<string[]> {
    return bodiesOf(await this.receive(receiving))
  }

  async ack(...popped: readonly PoppedMessage[]): Promise<void> {
    await Promise.all(popped.map(({ receiptHandle }) => this.pop.ackMessage('billing', receiptHandle)))
  }

  nack(popped: PoppedMessage) {
    return this.pop.nackMessage('billing', popped.receiptHandle)
  }

  change(popped: { readonly receiptHandle: string }, invisibleDurationMs: number) {
    return this.pop.changeInvisibleDuration('billing', popped.receiptHandle, invisibleDurationMs)
  }

  async progress() {
    const { lag, invisibleCount, pendingRetryCount } = await this.test.broker.consumerProgress('billing')
    return { lag, invisibleCount, pendingRetryCount }
  }

  async offset(queueId = 0, topic = 'orders'): Promise<number | undefined> {
    return this.test.broker.queryConsumerOffset('billing', this.test.queue(topic, queueId))
  }

  get alarms(): Alarm[] {
    return [...this.test.store.alarms.values()]
  }

  setGroup(settings: Partial<GroupConfig>): Promise<void> {
    return this.test.broker.createGroup({ ...defaultGroupConfig('billing'), ...settings })
  }

  /** Another broker over the same store, as after a restart. */
  async restart(): Promise<PopShop> {
    await this.test.broker.close()
    const { clock, store } = this.test
    const context = {
      clock,
      random: { next: () => 0.5 },
      logger: silentLogger,
      emit: () => undefined,
      durable: true,
    }
    const broker = new Broker(store, parseBrokerOptions({}), context)
    onTestFinished(() => broker.close())
    const test: TestBroker = Object.create(this.test, { broker: { value: broker } })
    return new PopShop(test)
  }
}

interface SendPlace {
  readonly tag?: string
  readonly queueId?: number
  readonly topic?: string
}

export function bodiesOf(popped: readonly PoppedMessage[]): string[] {
  return popped.map(({ message }) => message.text())
}

/** The only message of an answer. */
export function onlyOne(popped: readonly PoppedMessage[]): PoppedMessage {
  const [first] = popped
  if (first === undefined || popped.length > 1) throw new Error(`received ${popped.length} messages`)
  return first
}

/** Some letters, to be received in this order. */
export function letters(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `m${i}`)
}

/** A broker with the topic `orders` and the group `billing`, which has no members. */
export async function openPopShop({
  queueNums = 1,
  group = {},
  broker = {},
}: {
  queueNums?: number
  group?: Partial<GroupConfig>
  broker?: object
} = {}): Promise<PopShop> {
  const test = await openBroker(broker)
  await test.createTopic('orders', queueNums)
  const shop = new PopShop(test)
  await shop.setGroup(group)
  return shop
}
