import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { createTestMQ, type LedgerEntry, type TestMQ } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { bill } from './billing.ts'

const SEED_COUNT = Number(process.env.POCKETMQ_NASTY_SEEDS ?? 60)
const ONE_SEED = process.env.POCKETMQ_NASTY_SEED

/** Something that a shop does. */
type Step = (shop: Shop) => Promise<void>

interface Shop {
  mq: TestMQ
  readonly random: SeededRandom
  readonly sends: Promise<unknown>[]
  readonly members: PushConsumer[]
  sentCount: number
}

function join(shop: Shop): Promise<PushConsumer> {
  const { random } = shop
  return bill(
    shop.mq,
    async ({ tag, deliveryAttempt }) => {
      if (random.chance(0.2)) await shop.mq.clock.sleep(random.below(3000))
      if (tag === 'flaky' && deliveryAttempt < 3) throw new Error('not yet')
      return ConsumeResult.SUCCESS
    },
    { concurrency: random.pick([1, 2, 20]) },
  )
}

const steps: readonly Step[] = [
  async (shop) => {
    const producer = await shop.mq.createProducer({ group: 'shop' })
    for (let i = shop.random.below(10); i >= 0; i--) {
      const tag = shop.random.chance(0.2) ? { tag: 'flaky' } : {}
      const body = String(++shop.sentCount)
      shop.sends.push(producer.send({ topic: 'orders', body, ...tag }).catch(() => undefined))
    }
  },
  async (shop) => void shop.members.push(await join(shop)),
  async (shop) => {
    const [member] = shop.members.splice(shop.random.below(shop.members.length), 1)
    const closing = member?.close()
    await shop.mq.clock.advance(shop.random.below(5000))
    if (closing !== undefined) await shop.mq.clock.runUntil(closing)
  },
  async (shop) => shop.mq.clock.advance(shop.random.below(20_000)),
  async (shop) => {
    for (const member of shop.members) member.pause()
    await shop.mq.clock.rest()
    for (const member of shop.members) member.resume()
  },
  async (shop) => {
    if (shop.members.length === 0 || shop.sentCount === 0) return
    await shop.mq.clock.runUntil(
      shop.mq.admin.resetOffset({ group: 'billing', topic: 'orders', offset: 'min' }),
    )
  },
  async (shop) => {
    if (!shop.random.chance(0.3)) return
    await Promise.all(shop.sends)
    shop.mq = await shop.mq.crash()
    shop.members.length = 0
  },
]

async function play(seed: number): Promise<TestMQ> {
  const random = new SeededRandom(seed)
  const mq = await createTestMQ({
    schedule: 'nasty',
    seed,
    patienceMs: 0,
    topics: [{ topic: 'orders', queues: 1 + random.below(4) }],
  })
  const shop: Shop = { mq, random, sends: [], members: [], sentCount: 0 }
  for (let i = 12; i > 0; i--) await random.pick(steps)(shop)
  shop.members.push(await join(shop))
  await shop.mq.createPushConsumer({
    group: 'shipping',
    subscriptions: { orders: '*' },
    consumeFromWhere: 'FIRST_OFFSET',
    consumeMessageBatchMaxSize: 3,
    listener: (messages, context) => {
      context.ackIndex = random.below(messages.length + 1)
    },
  })
  await Promise.all(shop.sends)
  await shop.mq.settled({ horizon: '10h' })
  return shop.mq
}

/** What a cluster would never show. */
function illegalIn({ ledger }: TestMQ): string[] {
  const found: string[] = []
  for (const { messageId } of ledger.of('stored')) {
    for (const group of ['billing', 'shipping'])
      found.push(...illegalFor(ledger.history(messageId), messageId, group))
  }
  return found
}

function illegalFor(history: readonly LedgerEntry[], messageId: string, group: string): string[] {
  const found: string[] = []
  const ofGroup = history.filter((entry) => 'group' in entry && entry.group === group)
  if (!ofGroup.some(({ type }) => type === 'acknowledged')) found.push(`${messageId} is lost for ${group}`)
  // A message that failed twice, since it was delivered twice, has two retries.
  const dues = new Map([[1, 0]])
  for (const entry of ofGroup) {
    if (entry.type === 'retried') {
      const attempt = entry.reconsumeTimes + 1
      dues.set(attempt, Math.min(entry.dueTimestamp, dues.get(attempt) ?? Infinity))
    } else if (
      entry.type === 'delivered' &&
      entry.timestamp < (dues.get(entry.deliveryAttempt) ?? Infinity)
    ) {
      found.push(`${messageId} is early`)
    }
  }
  return found
}

describe('A nasty schedule', () => {
  test('shows nothing that a cluster would never show', async () => {
    const seeds =
      ONE_SEED === undefined ? Array.from({ length: SEED_COUNT }, (_, i) => i + 1) : [Number(ONE_SEED)]
    for (const seed of seeds) {
      try {
        await using mq = await play(seed)
        expect(illegalIn(mq)).toEqual([])
        expect((await mq.admin.check()).problems).toEqual([])
        const { lag } = await mq.admin.consumerProgress('billing')
        expect(lag).toBe(0)
      } catch (cause) {
        throw new Error(`seed ${seed}: ${cause}`, { cause })
      }
    }
  }, 600_000)
})
