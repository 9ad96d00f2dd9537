/**
 * Broadcasting members on random days: they come and go under their names, fail and take their time, and the process is
 * killed in the middle of it. Each must get everything that was ever sent. A failure names its seed.
 */
import { describe, expect, test } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

const QUEUES = 3
const STEPS = 100
const GROUP = 'printers'
const TOPIC = 'news'
const NAMES = ['ann', 'bob', 'cyd']

interface Habits {
  readonly mode: 'concurrent' | 'orderly'
  /** How often a listener fails. */
  readonly failures: number
  /** How often a step is a crash. */
  readonly crashes: number
}

class Simulation {
  #mq: TestMQ
  #producer: Producer | undefined
  readonly #random: SeededRandom
  readonly #habits: Habits
  readonly #online = new Map<string, PushConsumer>()
  #life = 0
  /** What each member has consumed, by its name, and how often. */
  readonly consumed = new Map(NAMES.map((name) => [name, new Map<string, number>()]))
  /** The offset that each member consumed last, by name and queue. */
  readonly #last = new Map<string, number>()
  readonly disorders: string[] = []
  readonly sent: string[] = []

  constructor(mq: TestMQ, random: SeededRandom, habits: Habits) {
    this.#mq = mq
    this.#random = random
    this.#habits = habits
  }

  get mq(): TestMQ {
    return this.#mq
  }

  async step(): Promise<void> {
    const dice = this.#random.next()
    const name = this.#random.pick(NAMES)
    const member = this.#online.get(name)
    if (dice < this.#habits.crashes) await this.#crash()
    else if (dice < 0.5) await this.#send()
    else if (dice < 0.7 && member === undefined) await this.#join(name)
    else if (dice < 0.8 && member !== undefined) await this.#leave(name, member)
    else if (dice < 0.85) member?.pause()
    else if (dice < 0.95) member?.resume()
    await this.#mq.clock.advance(this.#random.below(400))
  }

  async finish(): Promise<void> {
    for (const name of NAMES) if (!this.#online.has(name)) await this.#join(name)
    for (const member of this.#online.values()) member.resume()
    await this.#mq.clock.advance('1h')
  }

  async #send(): Promise<void> {
    this.#producer ??= await this.#mq.createProducer({ group: 'editors' })
    const messages = Array.from({ length: 1 + this.#random.below(6) }, (_, i) => ({
      topic: TOPIC,
      body: String(this.sent.length + i),
    }))
    await this.#producer.send(messages)
    this.sent.push(...messages.map(({ body }) => body))
  }

  async #join(name: string): Promise<void> {
    const life = this.#life
    const { mode } = this.#habits
    const member = await this.#mq.createPushConsumer({
      group: GROUP,
      clientId: name,
      subscriptions: { [TOPIC]: '*' },
      messageModel: 'broadcasting',
      broadcastFailure: 'retry',
      maxReconsumeTimes: 1000,
      mode,
      consumeFromWhere: 'FIRST_OFFSET',
      concurrency: 1 + this.#random.below(4),
      pullBatchSize: 1 + this.#random.below(8),
      closeTimeoutMs: 3_600_000,
      listener: (message) => this.#consume(message, name, life),
    })
    this.#online.set(name, member)
  }

  /** A member of this name may only come back when the one before has gone. */
  async #leave(name: string, member: PushConsumer): Promise<void> {
    await this.#mq.clock.runUntil(member.close())
    this.#online.delete(name)
  }

  async #crash(): Promise<void> {
    this.#life += 1
    this.#online.clear()
    this.#last.clear()
    this.#producer = undefined
    this.#mq = await this.#mq.crash()
  }

  async #consume(message: MessageView, name: string, life: number): Promise<void> {
    if (life !== this.#life) return
    if (this.#random.chance(this.#habits.failures)) throw new Error('no paper')
    if (this.#random.chance(0.6)) await this.#mq.clock.sleep(this.#random.below(300))
    if (life !== this.#life) return
    const counts = this.consumed.get(name)!
    counts.set(message.text(), (counts.get(message.text()) ?? 0) + 1)
    const place = `${name} ${message.queue.queueId}`
    if (message.queueOffset <= (this.#last.get(place) ?? -1))
      this.disorders.push(`${place} ${message.queueOffset}`)
    this.#last.set(place, message.queueOffset)
  }
}

async function run(seed: number, habits: Habits): Promise<Simulation> {
  const mq = await createTestMQ({ seed, topics: [{ topic: TOPIC, queues: QUEUES }] })
  const simulation = new Simulation(mq, new SeededRandom(seed), habits)
  for (let i = 0; i < STEPS; i++) await simulation.step()
  await simulation.finish()
  return simulation
}

const days = (['concurrent', 'orderly'] as const).flatMap((mode) =>
  Array.from({ length: 3 }, (_, i) => [3000 + i, mode] as const),
)

describe('Broadcasting members that come and go', () => {
  test.each(days)('each consume everything exactly once, seed %i, %s', async (seed, mode) => {
    const { consumed, sent, disorders, mq } = await run(seed, { mode, failures: 0.2, crashes: 0 })
    for (const [name, counts] of consumed) {
      expect([name, counts.size]).toEqual([name, sent.length])
      expect([...counts].filter(([, count]) => count !== 1)).toEqual([])
    }
    if (mode === 'orderly') expect(disorders).toEqual([])
    expect((await mq.admin.consumerProgress(GROUP)).lag).toBe(0)
    await mq.close()
  })

  test.each(days)(
    'each consume everything although the process is killed, seed %i, %s',
    async (seed, mode) => {
      const { consumed, sent, disorders, mq } = await run(seed, { mode, failures: 0.2, crashes: 0.06 })
      for (const [name, counts] of consumed) expect([name, counts.size]).toEqual([name, sent.length])
      if (mode === 'orderly') expect(disorders).toEqual([])
      await mq.close()
    },
  )
})

describe('A broadcasting member after a crash', () => {
  test('goes on under its name, and begins anew without one', async () => {
    const first = await createTestMQ({ topics: [{ topic: TOPIC, queues: 1 }] })
    const seen: string[] = []
    const join = (mq: TestMQ, clientId: string | undefined): Promise<PushConsumer> =>
      mq.createPushConsumer({
        group: GROUP,
        clientId,
        subscriptions: { [TOPIC]: '*' },
        messageModel: 'broadcasting',
        listener: (message) => void seen.push(`${clientId} ${message.text()}`),
      })
    const send = async (mq: TestMQ, body: string): Promise<void> => {
      const producer = await mq.createProducer({ group: 'editors' })
      await producer.send({ topic: TOPIC, body })
      await producer.close()
    }
    await join(first, 'ann')
    await join(first, undefined)
    await send(first, 'a')
    await first.settled()
    const second = await first.crash()
    await send(second, 'b')
    await join(second, 'ann')
    await join(second, undefined)
    await send(second, 'c')
    await second.settled()
    expect(seen.toSorted()).toEqual(['ann a', 'ann b', 'ann c', 'undefined a', 'undefined c'])
    expect(second.ledger.of('dropped')).toEqual([])
    await second.close()
  })

  test('is not waited for by a test as long as it is away', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: TOPIC, queues: 1 }] })
    const join = (clientId: string) =>
      mq.createPushConsumer({
        group: GROUP,
        clientId,
        subscriptions: { [TOPIC]: '*' },
        messageModel: 'broadcasting',
        listener: () => undefined,
      })
    await join('ann')
    await (await join('bob')).close()
    const producer = await mq.createProducer({ group: 'editors' })
    await producer.send({ topic: TOPIC, body: 'a' })
    await mq.settled()
    expect((await mq.admin.consumerProgress(GROUP)).queues).toEqual([
      expect.objectContaining({ clientId: 'ann', lag: 0 }),
      expect.objectContaining({ clientId: 'bob', lag: 1 }),
    ])
  })

  test('is written down in the ledger when it drops a message', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: TOPIC, queues: 1 }] })
    await mq.createPushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: '*' },
      messageModel: 'broadcasting',
      listener: () => Promise.reject(new Error('no paper')),
    })
    const producer = await mq.createProducer({ group: 'editors' })
    const { messageId } = await producer.send({ topic: TOPIC, body: 'a' })
    await mq.settled()
    expect(mq.ledger.of('dropped')).toEqual([
      expect.objectContaining({ messageId, group: GROUP, clientId: `${GROUP}-1`, reason: 'Error: no paper' }),
    ])
  })
})
