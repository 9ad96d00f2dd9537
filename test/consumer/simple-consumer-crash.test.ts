/**
 * Crashes at every step of receiving and settling. A step is a microtask: from the call of a verb over its commit to its
 * answer there is no other place at which a process could end.
 */
import { describe, expect, test } from 'vitest'
import type { ReceivedMessage } from '../../src/consumer/received-message.ts'
import type { SimpleConsumer } from '../../src/consumer/simple-consumer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

const INVISIBLE_MS = 30_000
const COUNT = 4
const BODIES = Array.from({ length: COUNT }, (_, i) => `m${i}`)
/** More than any of the verbs takes. */
const STEPS = 60

interface Scene {
  mq: TestMQ
  consumer: SimpleConsumer
  /** What `receive` answered before the crash. */
  readonly held: ReceivedMessage[]
  /** Bodies whose acknowledgement was answered. */
  readonly acked: Set<string>
}

function join(mq: TestMQ, isOrderly: boolean): Promise<SimpleConsumer> {
  const subscriptions = { orders: '*' }
  return mq.createSimpleConsumer({ group: 'billing', subscriptions, consumeMessageOrderly: isOrderly })
}

/** A group, and messages in one queue that survive whatever comes. */
async function open(isOrderly: boolean): Promise<Scene> {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send(BODIES.map((body) => ({ topic: 'orders', body })))
  const consumer = await join(mq, isOrderly)
  await mq.admin.flush()
  return { mq, consumer, held: [], acked: new Set() }
}

async function receive(scene: Scene): Promise<void> {
  const messages = await scene.consumer.receive({ awaitDurationMs: 0, invisibleDurationMs: INVISIBLE_MS })
  scene.held.push(...messages)
}

async function ack(scene: Scene, ...indexes: number[]): Promise<void> {
  const messages = indexes.map((index) => scene.held[index]!)
  await scene.consumer.ack(messages)
  for (const message of messages) scene.acked.add(message.text())
}

/** What is under way when the process dies, after what came before. */
const ACTS: readonly (readonly [name: string, before: Act[], act: Act])[] = [
  ['a receive', [], receive],
  ['an acknowledgement', [receive], (scene) => ack(scene, 1)],
  ['the acknowledgement of all', [receive], (scene) => ack(scene, 0, 1, 2, 3)],
  ['a second acknowledgement', [receive, (scene) => ack(scene, 2)], (scene) => ack(scene, 0, 3)],
  [
    'a change',
    [receive],
    ({ consumer, held }) => consumer.changeInvisibleDuration(held[1]!, 5 * INVISIBLE_MS),
  ],
  ['a nack', [receive], ({ consumer, held }) => consumer.nack(held[2]!)],
  ['a receive of retries', [receive, ({ mq }) => mq.clock.advance(INVISIBLE_MS)], receive],
]

type Act = (scene: Scene) => Promise<void>

/** Dies so many steps after the act began, and opens what is left. */
async function crashDuring(scene: Scene, act: Act, steps: number, how: 'kill' | 'power'): Promise<Scene> {
  let isDone = false
  const acting = act(scene).then(
    () => {
      isDone = true
    },
    () => undefined,
  )
  for (let step = 0; step < steps; step++) await undefined
  if (steps === STEPS) expect(isDone, 'the last step is behind the answer').toBe(true)
  const acked = new Set(scene.acked)
  const mq = await scene.mq.crash(how)
  await acting
  return { ...scene, mq, acked }
}

/** All that comes in the new life, however often, until nothing does any more. */
async function drain(mq: TestMQ, consumer: SimpleConsumer): Promise<string[]> {
  const bodies: string[] = []
  for (let round = 0; round < 12; round++) {
    for (;;) {
      const messages = await consumer.receive({ awaitDurationMs: 0, invisibleDurationMs: INVISIBLE_MS })
      if (messages.length === 0) break
      bodies.push(...messages.map((message) => message.text()))
      await consumer.ack(messages)
    }
    await mq.clock.advance(INVISIBLE_MS)
  }
  return bodies
}

const cases = ACTS.flatMap(([name, before, act]) =>
  [false, true].map((isOrderly) => ({ name, before, act, isOrderly, kind: isOrderly ? 'FIFO' : 'ordinary' })),
)

describe.each(cases)(
  'A process that is killed during $name of the $kind group',
  ({ before, act, isOrderly }) => {
    test('loses no message, and gets no acknowledged one again', async () => {
      for (let steps = 0; steps <= STEPS; steps++) {
        let scene = await open(isOrderly)
        for (const each of before) await each(scene)
        scene = await crashDuring(scene, act, steps, 'kill')
        const consumer = await join(scene.mq, isOrderly)
        const came = await drain(scene.mq, consumer)
        const lost = BODIES.filter((body) => !scene.acked.has(body) && !came.includes(body))
        const repeated = came.filter((body) => scene.acked.has(body))
        // Only what was being acknowledged may be gone although nobody was told.
        const mayBeGone = act === ACTS[1]?.[2] || act === ACTS[2]?.[2] || act === ACTS[3]?.[2]
        expect({ steps, lost: mayBeGone ? [] : lost, repeated }).toEqual({ steps, lost: [], repeated: [] })
        expect(new Set(came).size, `twice, after ${steps} steps`).toBe(came.length)
        if (isOrderly) expect(came).toEqual(came.toSorted())
        expect(await scene.mq.admin.consumerProgress('billing')).toMatchObject({ lag: 0, invisibleCount: 0 })
        expect((await scene.mq.admin.check()).problems).toEqual([])
        await scene.mq.close()
      }
    })

    test('loses no message either when the power fails', async () => {
      for (let steps = 0; steps < STEPS; steps += 3) {
        let scene = await open(isOrderly)
        for (const each of before) await each(scene)
        await scene.mq.admin.flush()
        const durable = new Set(scene.acked)
        scene = await crashDuring(scene, act, steps, 'power')
        const consumer = await join(scene.mq, isOrderly)
        const came = await drain(scene.mq, consumer)
        const gone = BODIES.filter((body) => !came.includes(body) && !durable.has(body))
        const mayBeGone = act === ACTS[1]?.[2] || act === ACTS[2]?.[2] || act === ACTS[3]?.[2]
        expect({ steps, gone: mayBeGone ? [] : gone }).toEqual({ steps, gone: [] })
        expect(came.filter((body) => durable.has(body))).toEqual([])
        expect((await scene.mq.admin.check()).problems).toEqual([])
        await scene.mq.close()
      }
    })
  },
)

describe.each([false, true])(
  'A process that is killed when the time of messages is over, FIFO: %s',
  (isOrderly) => {
    test('delivers each of them again, once', async () => {
      const wereBack = new Set<boolean>()
      for (let turns = 0; turns < 16; turns++) {
        const scene = await open(isOrderly)
        await receive(scene)
        await ack(scene, 1)
        const moving = scene.mq.clock.advance(INVISIBLE_MS).catch(() => undefined)
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
        wereBack.add(scene.mq.ledger.of('retried').length > 0)
        const mq = await scene.mq.crash()
        await moving
        const { lag, invisibleCount } = await mq.admin.consumerProgress('billing')
        if (!isOrderly) expect(lag + invisibleCount).toBe(COUNT - 1)
        const consumer = await join(mq, isOrderly)
        const came = await drain(mq, consumer)
        expect({ turns, came: came.toSorted() }).toEqual({ turns, came: ['m0', 'm2', 'm3'] })
        expect((await mq.admin.check()).problems).toEqual([])
        await mq.close()
      }
      // Some crashes came before it was done, and some behind it.
      expect(wereBack.size).toBe(2)
    })
  },
)

describe('After a crash', () => {
  test('what was received is invisible as long as before', async () => {
    const scene = await open(false)
    await receive(scene)
    await ack(scene, 0)
    await scene.mq.clock.advance(10_000)
    await using mq = await scene.mq.crash()
    const consumer = await join(mq, false)
    expect(await mq.admin.consumerProgress('billing')).toMatchObject({ lag: 0, invisibleCount: 3 })
    const waiting = consumer.receive({ awaitDurationMs: 60_000 })
    await mq.clock.advance(19_999)
    expect(await mq.admin.consumerProgress('billing')).toMatchObject({ invisibleCount: 3 })
    await mq.clock.advance(1)
    expect((await waiting).map((message) => message.text())).toEqual(['m1', 'm2', 'm3'])
  })

  test('attempts are counted on', async () => {
    let { mq, consumer } = await open(false)
    for (let attempt = 1; attempt <= 17; attempt++) {
      const messages = await consumer.receive({ awaitDurationMs: 0, invisibleDurationMs: INVISIBLE_MS })
      expect(messages.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual(BODIES.map(() => attempt))
      mq = await mq.crash()
      await mq.clock.advance(INVISIBLE_MS)
      consumer = await join(mq, false)
    }
    expect(await consumer.receive({ awaitDurationMs: 0 })).toEqual([])
    const letters = await mq.admin.deadLetters('billing')
    expect(letters.map((letter) => letter.text()).toSorted()).toEqual(BODIES)
    await mq.close()
  })

  test('a message of the life before can be settled, and one that is settled already is refused', async () => {
    const scene = await open(false)
    await receive(scene)
    await ack(scene, 0)
    await using mq = await scene.mq.crash()
    const consumer = await join(mq, false)
    await consumer.ack(scene.held[1]!)
    await expect(consumer.ack(scene.held[0]!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE'))
    expect(await mq.admin.consumerProgress('billing')).toMatchObject({ invisibleCount: 2 })
  })

  test('a receive that waits in the life before is refused', async () => {
    const scene = await open(false)
    await receive(scene)
    const waiting = expect(scene.consumer.receive()).rejects.toEqual(mqError('CLOSED', 'crashed'))
    await scene.mq.clock.rest()
    await using _ = await scene.mq.crash()
    await waiting
  })
})
