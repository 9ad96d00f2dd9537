/**
 * Members receive, acknowledge, give back, prolong, forget and crash at random. A model that knows only what the members were
 * told judges: nobody gets what somebody else still has, nothing acknowledged comes again, attempts are counted,
 * a FIFO group keeps its order, and in the end every message is acknowledged or a dead letter. A failure names its seed.
 */
import { describe, expect, test } from 'vitest'
import type { ReceivedMessage } from '../../src/consumer/received-message.ts'
import type { SimpleConsumer } from '../../src/consumer/simple-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'

const QUEUES = 3
const STEPS = 250
const RETRIES = 4
const LONGEST_INVISIBLE_MS = 20_000

/** One message as the model knows it. */
interface Known {
  readonly body: string
  messageId: string
  /** Until when somebody has it. */
  visibleTimestamp: number
  attempts: number
  isAcked: boolean
  /** It was being acknowledged when the process died, so that it may be. */
  mayBeAcked: boolean
  queueId: number
  offset: number
}

/** What a member has, or had. */
interface Held {
  readonly message: ReceivedMessage
  readonly known: Known
  isSettled: boolean
}

class Simulation {
  readonly known = new Map<string, Known>()
  readonly wrongs: string[] = []
  readonly #random: SeededRandom
  readonly #isOrderly: boolean
  #mq: TestMQ
  #producer: Producer | undefined
  #members: SimpleConsumer[] = []
  #held: Held[] = []
  crashCount = 0

  constructor(mq: TestMQ, random: SeededRandom, isOrderly: boolean) {
    this.#mq = mq
    this.#random = random
    this.#isOrderly = isOrderly
  }

  get mq(): TestMQ {
    return this.#mq
  }

  async step(): Promise<void> {
    const dice = this.#random.next()
    if (dice < 0.15) await this.#send()
    else if (dice < 0.45) await this.#receiveTogether()
    else if (dice < 0.8) await this.#settleSome()
    else if (dice < 0.93) await this.#mq.clock.advance(this.#random.below(6000))
    else if (dice < 0.97) await this.#replaceMember()
    else await this.#crash()
  }

  /** Everybody works until nothing is left. */
  async finish(): Promise<void> {
    for (let round = 0; round < 3 * RETRIES + 20; round++) {
      const member = await this.#member()
      for (;;) {
        const messages = await this.#receive(member)
        if (messages.length === 0) break
        await Promise.all(messages.map((held) => this.#ack(member, held)))
      }
      await this.#mq.clock.advance(LONGEST_INVISIBLE_MS)
    }
  }

  async #send(): Promise<void> {
    this.#producer ??= await this.#mq.createProducer({ group: 'shop' })
    const queueId = this.#random.below(QUEUES)
    const bodies = Array.from({ length: 1 + this.#random.below(20) }, (_, i) => `${this.known.size + i}`)
    for (const body of bodies) {
      const place = { queueId, offset: this.known.size }
      const counts = { visibleTimestamp: 0, attempts: 0, isAcked: false, mayBeAcked: false }
      this.known.set(body, { body, messageId: '', ...counts, ...place })
    }
    const messages = bodies.map((body) => ({ topic: 'orders', body }))
    await this.#producer.send(messages, { queue: { topic: 'orders', brokerName: 'localhost', queueId } })
  }

  async #receiveTogether(): Promise<void> {
    const members = await Promise.all(Array.from({ length: 1 + this.#random.below(3) }, () => this.#member()))
    await Promise.all(members.map((member) => this.#receive(member)))
  }

  async #receive(member: SimpleConsumer): Promise<Held[]> {
    const messages = await member.receive({
      maxMessages: 1 + this.#random.below(32),
      invisibleDurationMs: 1000 + this.#random.below(LONGEST_INVISIBLE_MS - 1000),
      awaitDurationMs: 0,
    })
    const held = messages.map((message) => this.#judge(message, messages))
    this.#held.push(...held)
    return held
  }

  /** Holds a delivery against what is known. */
  #judge(message: ReceivedMessage, batch: readonly ReceivedMessage[]): Held {
    const known = this.known.get(message.text())
    if (known === undefined) throw new Error(`'${message.text()}' was never sent`)
    const now = this.#mq.clock.now()
    if (known.isAcked) this.wrongs.push(`${known.body} came although it was acknowledged`)
    if (known.visibleTimestamp > now) this.wrongs.push(`${known.body} came while somebody had it`)
    if (message.deliveryAttempt <= known.attempts || message.deliveryAttempt > RETRIES + 1)
      this.wrongs.push(`${known.body} came as attempt ${message.deliveryAttempt} after ${known.attempts}`)
    if (this.#isOrderly && message.deliveryAttempt === 1) this.#judgeOrder(known, batch)
    known.messageId = message.messageId
    known.attempts = message.deliveryAttempt
    known.visibleTimestamp = message.nextVisibleTimestamp
    return { message, known, isSettled: false }
  }

  /** Whatever was sent to the queue before it must be done, or come with it. */
  #judgeOrder(known: Known, batch: readonly ReceivedMessage[]): void {
    for (const other of this.known.values()) {
      const isBefore = other.queueId === known.queueId && other.offset < known.offset
      const isDone = other.isAcked || other.mayBeAcked || other.attempts > RETRIES
      if (
        isBefore &&
        !isDone &&
        !batch.some((message) => message.text() === other.body) &&
        !this.#isDead(other)
      )
        this.wrongs.push(`${known.body} came before ${other.body}`)
    }
  }

  /** Its last attempt may have been an answer that a crash kept from its receiver. */
  #isDead({ messageId }: Known): boolean {
    return this.#mq.ledger.of('dead-lettered').some((letter) => letter.messageId === messageId)
  }

  async #settleSome(): Promise<void> {
    const some = this.#held.filter(({ isSettled }) => !isSettled && this.#random.chance(0.4)).slice(0, 20)
    const member = await this.#member()
    await Promise.all(some.map((held) => this.#settle(member, held)))
  }

  #settle(member: SimpleConsumer, held: Held): Promise<void> {
    const dice = this.#random.next()
    if (dice < 0.55) return this.#ack(member, held)
    if (dice < 0.7) {
      held.isSettled = true
      return this.#expectTimely(held, member.nack(held.message))
    }
    if (dice < 0.85) {
      const duration = this.#random.below(LONGEST_INVISIBLE_MS)
      return this.#expectTimely(held, member.changeInvisibleDuration(held.message, duration))
    }
    held.isSettled = true
    return Promise.resolve()
  }

  async #ack(member: SimpleConsumer, held: Held): Promise<void> {
    held.isSettled = true
    held.known.mayBeAcked = true
    await this.#expectTimely(held, member.ack(held.message), () => {
      held.known.isAcked = true
    })
    held.known.mayBeAcked = held.known.isAcked
  }

  /** Works if and only if the time of the delivery is not over. */
  async #expectTimely(
    held: Held,
    settling: Promise<void>,
    onDone: () => void = () => undefined,
  ): Promise<void> {
    const { message, known } = held
    const isTimely = message.nextVisibleTimestamp > this.#mq.clock.now()
    try {
      await settling
      if (!isTimely) this.wrongs.push(`${known.body} was settled after its time`)
      known.visibleTimestamp = message.nextVisibleTimestamp
      onDone()
    } catch (caught) {
      const error = MQError.from(caught)
      if (isTimely) this.wrongs.push(`${known.body} could not be settled in time: ${error.message}`)
      if (error.code !== 'INVALID_RECEIPT_HANDLE') throw error
      held.isSettled = true
    }
  }

  async #member(): Promise<SimpleConsumer> {
    if (this.#members.length < 3) await this.#join()
    return this.#random.pick(this.#members)
  }

  async #join(): Promise<void> {
    const options = { group: 'billing', subscriptions: { orders: '*' } }
    this.#members.push(await this.#mq.createSimpleConsumer(options))
  }

  async #replaceMember(): Promise<void> {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    await member?.close()
  }

  /** Dies with a settlement and a receive under way. */
  async #crash(): Promise<void> {
    const member = await this.#member()
    const settling = this.#held.filter(({ isSettled }) => !isSettled).slice(0, 3)
    for (const held of settling) held.known.mayBeAcked = true
    const dying = [
      ...settling.map(({ message }) => member.ack(message)),
      member.receive({ awaitDurationMs: 0, invisibleDurationMs: 1000, maxMessages: 4 }),
    ]
    const ended = Promise.allSettled(dying)
    for (let steps = this.#random.below(40); steps > 0; steps--) await undefined
    this.#mq = await this.#mq.crash()
    await ended
    this.#members = []
    this.#producer = undefined
    this.crashCount += 1
    // Whoever had something in the life before is gone; its time goes on.
    this.#held = []
  }
}

async function run(seed: number, isOrderly: boolean) {
  const random = new SeededRandom(seed)
  const mq = await createTestMQ({ seed, topics: [{ topic: 'orders', queues: QUEUES }] })
  await mq.admin.createGroup({
    group: 'billing',
    consumeMessageOrderly: isOrderly,
    retryMaxTimes: RETRIES,
    groupRetryPolicy: { type: 'CUSTOMIZED', nextMs: [1000, 5000] },
  })
  const simulation = new Simulation(mq, random, isOrderly)
  for (let i = 0; i < STEPS; i++) await simulation.step()
  await simulation.finish()
  return simulation
}

const seeds = Array.from({ length: 6 }, (_, i) => 3000 + i)

describe.each([false, true])('Members that receive at random, FIFO: %s', (isOrderly) => {
  test.each(seeds)('never get in each other’s way, seed %i', async (seed) => {
    const simulation = await run(seed, isOrderly)
    const { mq, known } = simulation
    expect(simulation.wrongs).toEqual([])
    expect(simulation.crashCount).toBeGreaterThan(0)
    const letters = (await mq.admin.deadLetters('billing')).map((letter) => letter.text())
    expect(new Set(letters).size, 'dead letters twice').toBe(letters.length)
    const done = [...known.values()].filter(
      (each) => each.isAcked || each.mayBeAcked || letters.includes(each.body),
    )
    expect(done).toHaveLength(known.size)
    const both = [...known.values()].filter((each) => each.isAcked && letters.includes(each.body))
    expect(both).toEqual([])
    const progress = await mq.admin.consumerProgress('billing')
    expect(progress).toMatchObject({ lag: 0, invisibleCount: 0, pendingRetryCount: 0 })
    expect((await mq.admin.check()).problems).toEqual([])
    await mq.close()
  })
})
