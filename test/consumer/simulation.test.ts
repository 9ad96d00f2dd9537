/**
 * Members join, leave, pause and fail at random while messages are sent; the clock moves by random steps. Afterwards every
 * message must have been consumed, each queue by one member at a time. A failure names its seed.
 */
import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { MessageView } from '../../src/model/message.ts'
import { type MessageQueue, queueKey } from '../../src/model/message-queue.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'

const QUEUES = 5
const STEPS = 150

interface Habits {
  /** How often a listener fails. */
  readonly failures: number
  /** How often a listener never settles. */
  readonly hangs: number
}

class Simulation {
  readonly #host: ClientHost
  readonly #producer: Producer
  readonly #random: SeededRandom
  readonly #habits: Habits
  readonly #members: PushConsumer[] = []
  readonly #running = new Map<string, Map<string, number>>()
  readonly consumed = new Map<string, number>()
  readonly trespasses: string[] = []
  sentCount = 0

  constructor(host: ClientHost, producer: Producer, random: SeededRandom, habits: Habits) {
    this.#host = host
    this.#producer = producer
    this.#random = random
    this.#habits = habits
  }

  async step(): Promise<void> {
    const dice = this.#random.next()
    if (dice < 0.5) await this.#sendSome()
    else if (dice < 0.6 && this.#members.length < 4) await this.#join()
    else if (dice < 0.68 && this.#members.length > 1) await this.#leave()
    else if (dice < 0.74 && this.#members.length > 0) this.#random.pick(this.#members).pause()
    else if (dice < 0.85 && this.#members.length > 0) this.#random.pick(this.#members).resume()
    await this.#host.clock.advance(this.#random.below(3000))
  }

  /** Everybody works until nothing is left. */
  async finish(): Promise<void> {
    if (this.#members.length === 0) await this.#join()
    for (const member of this.#members) member.resume()
    await this.#host.clock.advance(3 * 3_600_000)
    await Promise.all(this.#members.splice(0).map((member) => member.close()))
  }

  async #sendSome(): Promise<void> {
    const messages = Array.from({ length: 1 + this.#random.below(30) }, () => ({
      topic: 'orders',
      body: String(this.sentCount++),
    }))
    await this.#producer.send(messages)
  }

  async #join(): Promise<void> {
    const clientId = this.#host.nextClientId()
    const member = await this.#host.consumer({
      clientId,
      concurrency: 1 + this.#random.below(8),
      pullBatchSize: 1 + this.#random.below(40),
      consumeTimeoutMs: 4000,
      maxReconsumeTimes: 1000,
      closeTimeoutMs: 60_000,
      listener: (message, { queue }) => this.#consume(message, queue, clientId),
    })
    this.#members.push(member)
  }

  async #leave(): Promise<void> {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    void member?.close()
  }

  #consume(message: MessageView, queue: MessageQueue, member: string) {
    const kind = this.#random.next()
    if (kind < this.#habits.hangs) return new Promise<undefined>(() => undefined)
    this.#enter(queue, member)
    if (kind < this.#habits.hangs + this.#habits.failures)
      return this.#end(queue, member, ConsumeResult.FAILURE)
    this.consumed.set(message.text(), (this.consumed.get(message.text()) ?? 0) + 1)
    if (this.#random.chance(0.3)) return this.#end(queue, member, ConsumeResult.SUCCESS)
    return new Promise<ConsumeResult>((resolve) => {
      this.#host.clock.setTimer(this.#random.below(2000), () =>
        resolve(this.#end(queue, member, ConsumeResult.SUCCESS)),
      )
    })
  }

  /** A member must find nobody else busy with the queue. */
  #enter(queue: MessageQueue, member: string): void {
    const key = queueKey(queue)
    const running = this.#running.get(key) ?? new Map<string, number>()
    this.#running.set(key, running)
    for (const [other, count] of running) {
      if (other !== member && count > 0) this.trespasses.push(key)
    }
    running.set(member, (running.get(member) ?? 0) + 1)
  }

  #end(queue: MessageQueue, member: string, result: ConsumeResult): ConsumeResult {
    const running = this.#running.get(queueKey(queue))
    running?.set(member, (running.get(member) ?? 1) - 1)
    return result
  }
}

async function run(seed: number, habits: Habits) {
  const random = new SeededRandom(seed)
  const host = await openShop(QUEUES, { random })
  const producer = await host.producer()
  const simulation = new Simulation(host, producer, random, habits)
  for (let i = 0; i < STEPS; i++) await simulation.step()
  await simulation.finish()
  const { lag, pendingRetryCount } = await host.broker.consumerProgress('billing')
  return { simulation, host, lag, pendingRetryCount }
}

const seeds = Array.from({ length: 4 }, (_, i) => 1000 + i)

describe('A group whose members come and go', () => {
  test.each(seeds)('consumes each message exactly once when nothing hangs, seed %i', async (seed) => {
    const { simulation, host, lag, pendingRetryCount } = await run(seed, { failures: 0.1, hangs: 0 })
    expect(simulation.consumed.size).toBe(simulation.sentCount)
    expect([...simulation.consumed.values()].filter((count) => count !== 1)).toEqual([])
    expect({ lag, pendingRetryCount, trespasses: simulation.trespasses }).toEqual({
      lag: 0,
      pendingRetryCount: 0,
      trespasses: [],
    })
    expect(host.events('error')).toEqual([])
  })

  test.each(seeds)('consumes each message although listeners hang, seed %i', async (seed) => {
    const { simulation, lag, pendingRetryCount } = await run(seed, { failures: 0.1, hangs: 0.05 })
    expect(simulation.consumed.size).toBe(simulation.sentCount)
    expect([...simulation.consumed.values()].filter((count) => count !== 1)).toEqual([])
    expect({ lag, pendingRetryCount, trespasses: simulation.trespasses }).toEqual({
      lag: 0,
      pendingRetryCount: 0,
      trespasses: [],
    })
  })
})
