import { expect, test } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { Explanation } from '../../src/testing/explain/explanation.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

const STEPS = 30
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1)

/** A group whose members come, go, pause, fail, hang and are reset at random. */
class Bustle {
  readonly ids: string[] = []
  readonly #mq: TestMQ
  readonly #random: SeededRandom
  readonly #members: PushConsumer[] = []

  constructor(mq: TestMQ) {
    this.#mq = mq
    this.#random = new SeededRandom(mq.seed)
  }

  below(bound: number): number {
    return this.#random.below(bound)
  }

  async step(): Promise<void> {
    const mq = this.#mq
    const member = this.#members[this.below(this.#members.length + 1)]
    switch (this.below(8)) {
      case 0:
      case 1:
        return this.#send()
      case 2:
        if (this.#members.length < 3) this.#members.push(await this.#join())
        return
      case 3:
        if (member !== undefined) this.below(2) === 0 ? member.pause() : member.resume()
        return
      case 4:
        if (member === undefined || this.below(3) > 0) return
        this.#members.splice(this.#members.indexOf(member), 1)
        return void (await mq.clock.runUntil(member.close()))
      case 5:
        if (this.#members.length === 0 || this.below(4) > 0) return
        return void (await this.#reset())
      default:
        return mq.clock.advance(this.below(20_000))
    }
  }

  async #send(): Promise<void> {
    const producer = await this.#mq.createProducer({ group: 'shop' })
    const tag = this.below(2) === 0 ? 'paid' : 'sent'
    this.ids.push((await producer.send({ topic: 'orders', body: 'x', tag })).messageId)
    await producer.close()
  }

  #join(): Promise<PushConsumer> {
    return this.#mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: this.#mq.seed % 3 === 0 ? 'paid' : '*' },
      concurrency: 1 + this.below(2),
      pullThresholdForQueue: 1 + this.below(3),
      maxReconsumeTimes: 2,
      consumeTimeoutMs: 30_000,
      listener: async () => {
        const fate = this.below(6)
        if (fate === 0) throw new Error('no')
        if (fate === 1) await this.#mq.clock.sleep(1000 + this.below(60_000))
        if (fate === 2) await new Promise(() => undefined)
      },
    })
  }

  async #reset() {
    const timestamp = this.#mq.clock.now() - this.below(100_000)
    const { queues } = await this.#mq.admin.consumerProgress('billing')
    if (queues.some(({ queue }) => queue.topic === 'orders'))
      await this.#mq.admin.resetOffset({ group: 'billing', topic: 'orders', timestamp })
  }
}

/** What must be true of every explanation while everything rests. */
function check(mq: TestMQ, explanation: Explanation): void {
  const { verdict, gate, opensTimestamp } = explanation
  const text = `seed ${mq.seed}: ${explanation}`
  expect(verdict, text).not.toBe('unknown')
  if (verdict === 'waiting') expect(gate?.name, text).toMatch(/assignment|flow-control|listener|retry/)
  if (opensTimestamp !== undefined) expect(opensTimestamp, text).toBeGreaterThan(mq.clock.now())
  const types = mq.ledger.history(explanation.messageId).map(({ type }) => type)
  if (verdict === 'consumed') expect(types, text).toContain('acknowledged')
  if (verdict === 'dead-letter') expect(types, text).toContain('dead-lettered')
  if (verdict === 'filtered') expect(types, text).not.toContain('delivered')
}

test.each(SEEDS)('What explain predicts comes true, seed %i', async (seed) => {
  await using mq = await createTestMQ({ seed, patienceMs: 5, topics: [{ topic: 'orders', queues: 2 }] })
  await mq.admin.createGroup({ group: 'billing' })
  const bustle = new Bustle(mq)
  const explainAll = () => Promise.all(bustle.ids.map((id) => mq.explain(id, 'billing')))
  for (let step = 0; step < STEPS; step++) {
    await bustle.step()
    await mq.clock.rest()
    const explanations = await explainAll()
    for (const explanation of explanations) check(mq, explanation)
    const [first] = explanations
      .filter(({ opensTimestamp }) => opensTimestamp !== undefined)
      .sort((a, b) => a.opensTimestamp! - b.opensTimestamp!)
    if (first === undefined || bustle.below(3) > 0) continue
    await mq.clock.advanceTo(first.opensTimestamp!)
    const next = await mq.explain(first.messageId, 'billing')
    expect([next.gate?.name, next.opensTimestamp], `seed ${seed}: ${first}\n${next}`).not.toEqual([
      first.gate?.name,
      first.opensTimestamp,
    ])
  }
})
