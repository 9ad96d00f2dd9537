/** Priorities: of messages that wait, which one simple and push consumers are given first. */
import { strict as assert } from 'node:assert'
import { numbers, send, subscribe, textsOf } from '../kit.ts'
import { onDemand } from '../kit-members.ts'
import { DESCENDING, MIXED, openPriorities, receiveEach, sendEach } from '../kit-priorities.ts'
import {
  INVISIBLE_MS,
  LONG_MS,
  receive,
  receiveOne,
  receiveTexts,
  SOON_MS,
  simple,
} from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const differs = { differs: true } as const
const received = { needs: ['pop'] } as const
const receivedDiffering = { needs: ['pop'], differs: true } as const
const inTimeDiffering = { needs: ['pop', 'virtualTime'], differs: true } as const

const receiving: readonly ConformanceRule[] = [
  rule('8.3', 'A receive begins with what is most urgent', received, async (world) => {
    const mq = await openPriorities(world)
    await sendEach(mq, MIXED)
    assert.deepEqual(await receiveTexts(await simple(mq)), DESCENDING)
  }),
  rule('8.3', 'So do receives one after another', received, async (world) => {
    const mq = await openPriorities(world)
    await sendEach(mq, MIXED)
    assert.deepEqual(await receiveEach(await simple(mq)), DESCENDING)
  }),
  rule('8.3', 'Messages of one priority keep their order', received, async (world) => {
    const mq = await openPriorities(world)
    await send(mq, ['a', 'b', 'c'], { priority: 1 })
    await send(mq, ['d', 'e', 'f'], { priority: 2 })
    assert.deepEqual(await receiveEach(await simple(mq)), ['d', 'e', 'f', 'a', 'b', 'c'])
  }),
  rule('8.3', 'What is low waits as long as something more urgent comes', received, async (world) => {
    const mq = await openPriorities(world)
    const consumer = await simple(mq)
    await send(mq, 'low', { priority: 2 })
    for (const text of numbers(30)) {
      await send(mq, text, { priority: 3 })
      assert.deepEqual(await receiveTexts(consumer, { maxMessages: 1 }), [text])
    }
    assert.deepEqual(await receiveTexts(consumer, { maxMessages: 1 }), ['low'])
  }),
  rule('8.3', 'A receive that waits gets what comes, of whatever priority', received, async (world) => {
    const mq = await openPriorities(world)
    const consumer = await simple(mq)
    for (const priority of [0, 9, 4]) {
      const waiting = consumer.receive({ awaitDurationMs: LONG_MS })
      await mq.rest()
      await send(mq, `${priority}`, { priority })
      assert.deepEqual(textsOf(await waiting), [`${priority}`])
    }
  }),
  rule(
    '8.3',
    'Of receives that run at a time none takes less while more urgent messages are there',
    receivedDiffering,
    async (world) => {
      const mq = await openPriorities(world)
      const members = [await simple(mq), await simple(mq)]
      await send(mq, numbers(6), { priority: 2 })
      await send(mq, numbers(6), { priority: 7 })
      const answers = await Promise.all(
        [...members, ...members, ...members].map((member) => receive(member, { maxMessages: 1 })),
      )
      assert.deepEqual(
        answers.flat().map(({ priority }) => priority),
        [7, 7, 7, 7, 7, 7],
      )
    },
  ),
  rule(
    '8.6',
    'A FIFO group receives likewise, and passes over a queue that is held',
    receivedDiffering,
    async (world) => {
      const mq = await openPriorities(world)
      const consumer = await simple(mq, { consumeMessageOrderly: true })
      await send(mq, ['a', 'b'], { priority: 1 })
      await send(mq, ['c', 'd'], { priority: 2 })
      const first = await receiveOne(consumer, { maxMessages: 1 })
      assert.equal(first.text(), 'c')
      assert.deepEqual(await receiveTexts(consumer, { maxMessages: 1 }), ['a'])
      await consumer.ack(first)
      assert.deepEqual(await receiveTexts(consumer, { maxMessages: 1 }), ['d'])
    },
  ),
  rule('8.4', 'What was not acknowledged comes back by its priority', inTimeDiffering, async (world) => {
    const mq = await openPriorities(world)
    const consumer = await simple(mq)
    // It was received in another order, and comes back in that.
    for (const priority of MIXED) {
      await sendEach(mq, [priority])
      await receive(consumer)
    }
    await mq.advance(INVISIBLE_MS + SOON_MS)
    assert.deepEqual(await receiveEach(consumer), DESCENDING)
  }),
  rule(
    '8.4',
    'One receive in five looks first at what came back, the others last',
    inTimeDiffering,
    async (world) => {
      const mq = await openPriorities(world)
      const consumer = await simple(mq)
      for (const priority of [0, 9]) await send(mq, numbers(10), { priority })
      await receive(consumer)
      await mq.advance(INVISIBLE_MS + SOON_MS)
      await send(mq, numbers(20), { priority: 4 })
      const seen: (number | undefined)[] = []
      for (const _ of numbers(20)) seen.push((await receiveOne(consumer, { maxMessages: 1 })).priority)
      assert.equal(seen.filter((priority) => priority === 9).length, 4)
      assert.equal(seen.filter((priority) => priority === 4).length, 16)
    },
  ),
]

const pushing: readonly ConformanceRule[] = [
  rule('6.5', 'A busy push consumer goes on with what is most urgent', differs, async (world) => {
    const mq = await openPriorities(world)
    const { listener, calls } = onDemand()
    await subscribe(mq, { listener, concurrency: 1 })
    await sendEach(mq, MIXED)
    for (const index of MIXED.keys()) {
      await mq.until('the next one is delivered', () => calls.length === index + 1)
      await mq.rest()
      calls[index]!.answer()
    }
    const [first, ...others] = calls.map(({ message }) => message.text())
    assert.deepEqual([first, others], ['3', DESCENDING.filter((text) => text !== '3')])
  }),
  rule('6.5', 'Also with what comes while it is busy', differs, async (world) => {
    const mq = await openPriorities(world)
    const { listener, calls } = onDemand()
    await subscribe(mq, { listener, concurrency: 1 })
    await send(mq, ['a', 'b', 'c'], { priority: 1 })
    await mq.until('the first one is delivered', () => calls.length === 1)
    await send(mq, 'urgent', { priority: 8 })
    await mq.rest()
    for (const index of [0, 1, 2, 3]) {
      await mq.until('the next one is delivered', () => calls.length === index + 1)
      calls[index]!.answer()
    }
    assert.deepEqual(
      calls.map(({ message }) => message.text()),
      ['a', 'urgent', 'b', 'c'],
    )
  }),
  rule('6.5', 'Other topics have their turns as ever', differs, async (world) => {
    const mq = await openPriorities(world, 2)
    await mq.admin.createTopic({ topic: 'plain', queues: 1 })
    const { listener, calls } = onDemand()
    const subscriptions = { orders: '*', plain: '*' }
    await subscribe(mq, { listener, concurrency: 1, subscriptions })
    await send(mq, 'first', { topic: 'plain' })
    await mq.until('it is delivered', () => calls.length === 1)
    await send(mq, numbers(9), { priority: 1 })
    await send(mq, ['p', 'p', 'p'], { topic: 'plain' })
    await mq.rest()
    for (let index = 0; index < 7; index++) {
      await mq.until('the next one is delivered', () => calls.length === index + 1)
      calls[index]!.answer()
    }
    const topicsOfCalls = calls.slice(1, 7).map(({ message }) => message.topic)
    assert.equal(topicsOfCalls.filter((topic) => topic === 'plain').length, 3)
  }),
]

export const priorityOrder: ConformanceChapter = {
  title: 'Priorities: what is consumed first',
  rules: [...receiving, ...pushing],
}
