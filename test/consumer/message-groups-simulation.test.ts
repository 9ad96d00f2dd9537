/**
 * An accelerated orderly group on random days: members join and leave, listeners fail and take their time, several groups at
 * once, members are paused, and the process is killed in the middle of it. Nothing may overtake within a message group, and
 * nothing may be lost. A failure names its seed.
 */
import { describe, expect, test } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

const QUEUES = 3
const STEPS = 120
const GROUP = 'billing'
const TOPIC = 'orders'
const MESSAGE_GROUPS = ['ann', 'bob', 'cyd', 'dan', 'eve', 'fay', undefined]

interface Habits {
  /** How often a listener fails. */
  readonly failures: number
  /** How often a step is a crash. */
  readonly crashes: number
  /** How often a step sets all offsets back. */
  readonly resets?: number
  readonly maxReconsumeTimes?: number
}

/** What is known of one message group in one queue. */
interface GroupModel {
  /** Offsets of its messages, in order. */
  readonly offsets: number[]
  /** How many of them, from the first on, were done at some time. */
  doneCount: number
  /** Which of them must come next, unless those from it on were done before. */
  cursor: number
  /** How often each failed, by offset. */
  readonly failures: Map<number, number>
  busyWith: string | undefined
}

class Simulation {
  #mq: TestMQ
  #producer: Producer | undefined
  readonly #random: SeededRandom
  readonly #habits: Habits
  #members: PushConsumer[] = []
  #life = 0
  /** Counts resets, as an answer of before one counts no more. */
  #age = 0
  readonly #groups = new Map<string, GroupModel>()
  /** After a crash nobody knows which attempts and which of the done messages were stored. */
  #hasCrashed = false
  /** What went wrong. */
  readonly faults: string[] = []
  /** How often two groups of one queue were worked on at a time. */
  overlapCount = 0

  constructor(mq: TestMQ, random: SeededRandom, habits: Habits) {
    this.#mq = mq
    this.#random = random
    this.#habits = habits
  }

  get mq(): TestMQ {
    return this.#mq
  }

  get leftCount(): number {
    return [...this.#groups.values()].reduce(
      (sum, { offsets, doneCount }) => sum + offsets.length - doneCount,
      0,
    )
  }

  async step(): Promise<void> {
    const dice = this.#random.next()
    const { crashes, resets = 0 } = this.#habits
    if (dice < crashes) await this.#crash()
    else if (dice < crashes + resets) await this.#reset()
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
    for (let count = 1 + this.#random.below(8); count > 0; count--) {
      const messageGroup = this.#random.pick(MESSAGE_GROUPS)
      const { queue, queueOffset } = await this.#producer.send({ topic: TOPIC, body: 'x', messageGroup })
      this.#model(queue.queueId, messageGroup).offsets.push(queueOffset)
    }
  }

  async #join(): Promise<void> {
    const life = this.#life
    const member = await this.#mq.createPushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: '*' },
      mode: 'orderly',
      enableFifoConsumeAccelerator: true,
      concurrency: 1 + this.#random.below(5),
      pullBatchSize: 1 + this.#random.below(8),
      consumeConcurrentlyMaxSpan: 4 + this.#random.below(30),
      suspendCurrentQueueTimeMs: 50,
      closeTimeoutMs: 3_600_000,
      maxReconsumeTimes: this.#habits.maxReconsumeTimes,
      // The model learns of a message when its sender does, which may be later.
      listener: async (message, { deliveryAttempt }) => {
        await this.#mq.clock.sleep(1)
        return this.#consume(message, deliveryAttempt, life)
      },
    })
    this.#members.push(member)
  }

  async #leave(): Promise<void> {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    void member?.close()
  }

  async #reset(): Promise<void> {
    if (this.#members.length === 0) return
    await this.#mq.admin.resetOffset({ group: GROUP, topic: TOPIC, offset: 'min' })
    this.#age += 1
    for (const model of this.#groups.values()) {
      model.cursor = 0
      model.failures.clear()
    }
  }

  /** What the members of the dead process still do counts no more. */
  async #crash(): Promise<void> {
    this.#life += 1
    this.#members = []
    this.#producer = undefined
    this.#hasCrashed = true
    this.#mq = await this.#mq.crash()
    const { queues } = await this.#mq.admin.consumerProgress(GROUP).catch(() => ({ queues: [] }))
    for (const [key, model] of this.#groups) {
      const stored = queues.find(({ queue }) => queue.topic === TOPIC && key.startsWith(`${queue.queueId} `))
      const offset = stored?.consumerOffset ?? 0
      const cursor = model.offsets.filter((each) => each < offset).length
      if (cursor > model.doneCount)
        this.faults.push(`${key}: committed to ${offset}, with ${model.doneCount} done`)
      model.busyWith = undefined
      model.cursor = cursor
    }
  }

  async #consume(message: MessageView, attempt: number, life: number): Promise<void> {
    if (life !== this.#life) return
    const age = this.#age
    const { queueOffset, queue, messageGroup } = message
    const model = this.#model(queue.queueId, messageGroup)
    const what = `queue ${queue.queueId}, group ${messageGroup}, offset ${queueOffset}, attempt ${attempt}`
    const others = [...this.#groups].filter(
      ([key, other]) => key.startsWith(`${queue.queueId} `) && other !== model,
    )
    if (others.some(([, { busyWith }]) => busyWith !== undefined)) this.overlapCount += 1
    this.#check(model, what, queueOffset, attempt)
    const willFail = this.#random.chance(this.#habits.failures)
    if (this.#random.chance(0.7)) await this.#mq.clock.sleep(this.#random.below(300))
    if (life !== this.#life) return
    model.busyWith = undefined
    if (age === this.#age) this.#settle(model, queueOffset, attempt, willFail)
    if (willFail) throw new Error('not today')
  }

  #settle(model: GroupModel, queueOffset: number, attempt: number, willFail: boolean): void {
    const { maxReconsumeTimes = Number.POSITIVE_INFINITY } = this.#habits
    if (willFail && attempt <= maxReconsumeTimes) {
      model.failures.set(queueOffset, attempt)
      return
    }
    model.cursor = model.offsets.indexOf(queueOffset) + 1
    model.doneCount = Math.max(model.doneCount, model.cursor)
  }

  #check(model: GroupModel, what: string, queueOffset: number, attempt: number): void {
    if (model.busyWith !== undefined) this.faults.push(`${what} comes while ${model.busyWith} is in flight`)
    const index = model.offsets.indexOf(queueOffset)
    const last = this.#hasCrashed ? Math.max(model.cursor, model.doneCount) : model.cursor
    if (index < model.cursor || index > last)
      this.faults.push(`${what} comes in the place of ${model.cursor}`)
    const failures = model.failures.get(queueOffset) ?? 0
    const isExpected = this.#hasCrashed ? attempt <= failures + 1 : attempt === failures + 1
    if (!isExpected) this.faults.push(`${what} after ${failures} failures`)
    model.cursor = index
    model.busyWith = what
  }

  #model(queueId: number, messageGroup: string | undefined): GroupModel {
    const key = `${queueId} ${messageGroup}`
    const model = this.#groups.get(key) ?? {
      offsets: [],
      doneCount: 0,
      cursor: 0,
      failures: new Map(),
      busyWith: undefined,
    }
    this.#groups.set(key, model)
    return model
  }
}

async function run(seed: number, habits: Habits): Promise<Simulation> {
  const mq = await createTestMQ({ seed, topics: [{ topic: TOPIC, queues: QUEUES }] })
  const simulation = new Simulation(mq, new SeededRandom(seed), habits)
  for (let i = 0; i < STEPS; i++) await simulation.step()
  await simulation.finish()
  return simulation
}

const seeds = Array.from({ length: 5 }, (_, i) => 4000 + i)

describe('An accelerated orderly group whose members come and go', () => {
  test.each(seeds)(
    'never overtakes within a message group, repeats or loses anything, seed %i',
    async (seed) => {
      const simulation = await run(seed, { failures: 0.2, crashes: 0 })
      expect(simulation.faults).toEqual([])
      expect(simulation.leftCount).toBe(0)
      expect(simulation.overlapCount).toBeGreaterThan(0)
      expect((await simulation.mq.admin.consumerProgress(GROUP)).lag).toBe(0)
      await simulation.mq.close()
    },
  )

  test.each(seeds)('gives up what fails too often, and goes on in order, seed %i', async (seed) => {
    const simulation = await run(seed, { failures: 0.5, crashes: 0, maxReconsumeTimes: 1 })
    expect(simulation.faults).toEqual([])
    expect(simulation.leftCount).toBe(0)
    const letters = await simulation.mq.admin.deadLetters(GROUP)
    expect(letters.length).toBeGreaterThan(0)
    expect(new Set(letters.map(({ messageId }) => messageId)).size).toBe(letters.length)
    await simulation.mq.close()
  })

  test.each(seeds)('keeps the order of each group when the process is killed, seed %i', async (seed) => {
    const simulation = await run(seed, { failures: 0.2, crashes: 0.06 })
    expect(simulation.faults).toEqual([])
    expect(simulation.leftCount).toBe(0)
    await simulation.mq.close()
  })

  test.each(seeds)('keeps the order of each group when offsets are set back, seed %i', async (seed) => {
    const simulation = await run(seed, { failures: 0.1, crashes: 0, resets: 0.03 })
    expect(simulation.faults).toEqual([])
    expect(simulation.leftCount).toBe(0)
    expect((await simulation.mq.admin.consumerProgress(GROUP)).lag).toBe(0)
    await simulation.mq.close()
  })
})
