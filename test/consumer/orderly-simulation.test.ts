/**
 * An orderly group on random days: members join and leave, listeners fail and take their time, offsets are moved, and the
 * process is killed in the middle of it. Nothing may ever overtake, and nothing may be lost. A failure names its seed.
 */
import { describe, expect, test } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

const QUEUES = 4
const STEPS = 120
const GROUP = 'billing'
const TOPIC = 'orders'

interface Habits {
  /** How often a listener fails. */
  readonly failures: number
  /** How often a step is a crash. */
  readonly crashes: number
  readonly maxReconsumeTimes?: number
}

/** What is known of a queue. */
interface QueueModel {
  /** The offset that must be delivered next. */
  next: number
  /** How often the message there has failed. */
  failures: number
  /** What a crash may have taken before it was stored: nothing, the last failure, or the count with the last offsets. */
  unsure: 'nothing' | 'last failure' | 'all'
  busyWith: string | undefined
}

class Simulation {
  #mq: TestMQ
  #producer: Producer | undefined
  readonly #random: SeededRandom
  readonly #habits: Habits
  #members: PushConsumer[] = []
  #life = 0
  readonly #queues = Array.from({ length: QUEUES }, (): QueueModel => {
    return { next: 0, failures: 0, unsure: 'nothing', busyWith: undefined }
  })
  readonly sentCounts = Array.from({ length: QUEUES }, () => 0)
  /** What went wrong. */
  readonly faults: string[] = []
  deadCount = 0

  constructor(mq: TestMQ, random: SeededRandom, habits: Habits) {
    this.#mq = mq
    this.#random = random
    this.#habits = habits
  }

  get mq(): TestMQ {
    return this.#mq
  }

  get consumedCounts(): number[] {
    return this.#queues.map(({ next }) => next)
  }

  async step(): Promise<void> {
    const dice = this.#random.next()
    if (dice < this.#habits.crashes) await this.#crash()
    else if (dice < 0.5) await this.#send()
    else if (dice < 0.62 && this.#members.length < 4) await this.#join()
    else if (dice < 0.7 && this.#members.length > 1) await this.#leave()
    else if (dice < 0.75 && this.#members.length > 0) this.#random.pick(this.#members).pause()
    else if (dice < 0.85 && this.#members.length > 0) this.#random.pick(this.#members).resume()
    await this.#mq.clock.advance(this.#random.below(400))
  }

  async finish(): Promise<void> {
    if (this.#members.length === 0) await this.#join()
    for (const member of this.#members) member.resume()
    await this.#mq.clock.advance('1h')
  }

  async #send(): Promise<void> {
    this.#producer ??= await this.#mq.createProducer({ group: 'shop' })
    const queueId = this.#random.below(QUEUES)
    const messages = Array.from({ length: 1 + this.#random.below(6) }, () => ({ topic: TOPIC, body: 'x' }))
    await this.#producer.send(messages, { queue: { topic: TOPIC, brokerName: 'localhost', queueId } })
    this.sentCounts[queueId]! += messages.length
  }

  async #join(): Promise<void> {
    const life = this.#life
    const member = await this.#mq.createPushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: '*' },
      mode: 'orderly',
      concurrency: 1 + this.#random.below(3),
      pullBatchSize: 1 + this.#random.below(8),
      suspendCurrentQueueTimeMs: 50,
      closeTimeoutMs: 3_600_000,
      maxReconsumeTimes: this.#habits.maxReconsumeTimes,
      listener: (message, { deliveryAttempt }) => this.#consume(message, deliveryAttempt, life),
    })
    this.#members.push(member)
  }

  async #leave(): Promise<void> {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    void member?.close()
  }

  /** What the members of the dead process still do counts no more. */
  async #crash(): Promise<void> {
    this.#life += 1
    this.#members = []
    this.#producer = undefined
    this.#mq = await this.#mq.crash()
    this.#watchDeadLetters()
    const { queues } = await this.#mq.admin.consumerProgress(GROUP).catch(() => ({ queues: [] }))
    for (const [queueId, model] of this.#queues.entries()) {
      const stored = queues.find(({ queue }) => queue.topic === TOPIC && queue.queueId === queueId)
      const offset = stored?.consumerOffset ?? 0
      if (offset > model.next)
        this.faults.push(`queue ${queueId} was committed to ${offset} before ${model.next}`)
      model.unsure = offset === model.next ? 'last failure' : 'all'
      Object.assign(model, { next: offset, busyWith: undefined })
    }
  }

  watch(): void {
    this.#watchDeadLetters()
  }

  #watchDeadLetters(): void {
    this.#mq.on('dead-letter', () => {
      this.deadCount += 1
    })
  }

  async #consume(message: MessageView, attempt: number, life: number): Promise<void> {
    if (life !== this.#life) return
    const { queueOffset, queue } = message
    const model = this.#queues[queue.queueId]!
    this.#check(
      model,
      `queue ${queue.queueId}, offset ${queueOffset}, attempt ${attempt}`,
      queueOffset,
      attempt,
    )
    const willFail = this.#random.chance(this.#habits.failures)
    if (this.#random.chance(0.7)) await this.#mq.clock.sleep(this.#random.below(300))
    if (life !== this.#life) return
    model.busyWith = undefined
    const isGivenUp = willFail && attempt > (this.#habits.maxReconsumeTimes ?? Number.POSITIVE_INFINITY)
    if (!willFail || isGivenUp) Object.assign(model, { next: queueOffset + 1, failures: 0 })
    else model.failures += 1
    if (willFail) throw new Error('not today')
  }

  #check(model: QueueModel, what: string, queueOffset: number, attempt: number): void {
    if (model.busyWith !== undefined) this.faults.push(`${what} comes while ${model.busyWith} is in flight`)
    if (queueOffset !== model.next) this.faults.push(`${what} comes in the place of ${model.next}`)
    if (!this.#isExpected(model, attempt)) this.faults.push(`${what} after ${model.failures} failures`)
    model.failures = attempt - 1
    model.unsure = 'nothing'
    model.busyWith = what
  }

  #isExpected({ failures, unsure }: QueueModel, attempt: number): boolean {
    if (attempt === failures + 1 || unsure === 'all') return true
    return unsure === 'last failure' && attempt === failures
  }
}

async function run(seed: number, habits: Habits): Promise<Simulation> {
  const mq = await createTestMQ({ seed, topics: [{ topic: TOPIC, queues: QUEUES }] })
  const simulation = new Simulation(mq, new SeededRandom(seed), habits)
  simulation.watch()
  for (let i = 0; i < STEPS; i++) await simulation.step()
  await simulation.finish()
  return simulation
}

const seeds = Array.from({ length: 5 }, (_, i) => 2000 + i)

describe('An orderly group whose members come and go', () => {
  test.each(seeds)('never overtakes, repeats or loses anything, seed %i', async (seed) => {
    const simulation = await run(seed, { failures: 0.2, crashes: 0 })
    expect(simulation.faults).toEqual([])
    expect(simulation.consumedCounts).toEqual(simulation.sentCounts)
    expect((await simulation.mq.admin.consumerProgress(GROUP)).lag).toBe(0)
    await simulation.mq.close()
  })

  test.each(seeds)('gives up what fails too often, once, and goes on in order, seed %i', async (seed) => {
    const simulation = await run(seed, { failures: 0.5, crashes: 0, maxReconsumeTimes: 1 })
    expect(simulation.faults).toEqual([])
    expect(simulation.consumedCounts).toEqual(simulation.sentCounts)
    expect(simulation.deadCount).toBeGreaterThan(0)
    expect(await simulation.mq.admin.deadLetters(GROUP)).toHaveLength(simulation.deadCount)
    await simulation.mq.close()
  })

  test.each(seeds)('goes on in order where it was when the process is killed, seed %i', async (seed) => {
    const simulation = await run(seed, { failures: 0.2, crashes: 0.06 })
    expect(simulation.faults).toEqual([])
    expect(simulation.consumedCounts).toEqual(simulation.sentCounts)
    await simulation.mq.close()
  })
})
