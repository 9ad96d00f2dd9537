/** Setting the offset of a group from outside, while consumers of each kind run. */
import { strict as assert } from 'node:assert'
import type { PushConsumerOptions } from '../../../consumer/push-consumer-options.ts'
import type { SimpleConsumerOptions } from '../../../consumer/simple-consumer-options.ts'
import type { EngineMQ } from '../engine-mq.ts'
import {
  committed,
  failing,
  numbers,
  openAgedShop,
  queueOf,
  refused,
  send,
  subscribe,
  textsOf,
} from '../kit.ts'
import {
  assigned,
  drain,
  INVISIBLE_MS,
  LONG_MS,
  lite,
  numbersFrom,
  offsetsOf,
  openLite,
  openMidst,
  openSimple,
  pollTexts,
  puller,
  receive,
  receiveTexts,
  SOON_MS,
  simple,
} from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceNeed, type ConformanceRule, rule } from '../rule.ts'

const group = 'billing'
const topic = 'orders'

/** Consumes: answers the bodies of the next so many messages, which are consumed then. */
type Consume = (count: number) => Promise<string[]>

interface Kind {
  readonly name: string
  readonly needs: readonly ConformanceNeed[]
  /** It takes no more than it is asked for. */
  readonly isAsked: boolean
  start(mq: EngineMQ): Promise<Consume>
}

function pushKind(name: string, options: Partial<Omit<PushConsumerOptions, 'listener'>>): Kind {
  return {
    name,
    needs: [],
    isAsked: false,
    start: async (mq) => {
      const { texts } = await subscribe(mq, { concurrency: 1, ...options })
      let seenCount = 0
      return async (count) => {
        await mq.until(`${count} more are delivered`, () => texts().length >= seenCount + count)
        await mq.rest()
        const seen = texts().slice(seenCount)
        seenCount += seen.length
        return seen
      }
    },
  }
}

function simpleKind(name: string, options: Partial<SimpleConsumerOptions>): Kind {
  return {
    name,
    needs: ['pop'],
    isAsked: true,
    start: async (mq) => {
      const consumer = await simple(mq, options)
      return async (count) => {
        const texts: string[] = []
        await mq.until(`${count} messages are received`, async () => {
          const messages = await receive(consumer, { maxMessages: 1 })
          texts.push(...textsOf(messages))
          await consumer.ack(messages)
          return texts.length >= count
        })
        return texts
      }
    },
  }
}

/** An application with a pull consumer, which asks for its offset before each pull. */
async function startPulling(mq: EngineMQ): Promise<Consume> {
  const consumer = await puller(mq)
  const queue = await queueOf(mq)
  return async (count) => {
    const texts: string[] = []
    await mq.until(`${count} messages are pulled`, async () => {
      const offset = (await consumer.fetchConsumeOffset(queue)) ?? 0
      const { messages, nextBeginOffset } = await consumer.pull(queue, '*', offset, 1)
      texts.push(...textsOf(messages))
      await consumer.updateConsumeOffset(queue, nextBeginOffset)
      return texts.length >= count
    })
    return texts
  }
}

const KINDS: readonly Kind[] = [
  pushKind('a push consumer', {}),
  pushKind('an orderly push consumer', { mode: 'orderly' }),
  pushKind('a broadcasting push consumer', {
    messageModel: 'broadcasting',
    consumeFromWhere: 'FIRST_OFFSET',
  }),
  {
    name: 'a lite pull consumer',
    needs: [],
    isAsked: true,
    start: async (mq) => {
      const consumer = await lite(mq, { pullBatchSize: 1 })
      return (count) => pollTexts(mq, consumer, count)
    },
  },
  {
    name: 'a lite pull consumer that assigns',
    needs: [],
    isAsked: true,
    start: async (mq) => {
      const consumer = await assigned(mq, [await queueOf(mq)], { pullBatchSize: 1 })
      return (count) => pollTexts(mq, consumer, count)
    },
  },
  { name: 'a pull consumer that asks for its offset', needs: [], isAsked: true, start: startPulling },
  simpleKind('a simple consumer', {}),
  simpleKind('a simple consumer of a FIFO group', { consumeMessageOrderly: true }),
]

function backRule({ name, needs, start }: Kind): ConformanceRule {
  return rule(
    '12.3',
    `A reset goes back while ${name} runs, and behind the end`,
    { needs },
    async (world) => {
      const mq = await world.openShop()
      const consume = await start(mq)
      await send(mq, numbers(10))
      assert.deepEqual(await consume(10), numbers(10))
      await mq.admin.resetOffset({ group, topic, offset: 4, queueId: 0 })
      assert.deepEqual(await consume(6), numbersFrom(4, 6))
      await mq.admin.resetOffset({ group, topic, offset: 'max' })
      await send(mq, 'new')
      assert.deepEqual(await consume(1), ['new'])
    },
  )
}

function forwardRule({ name, needs, start }: Kind): ConformanceRule {
  return rule('12.3', `A reset goes forward while ${name} runs`, { needs }, async (world) => {
    const mq = await world.openShop()
    await send(mq, numbers(10))
    const consume = await start(mq)
    assert.deepEqual(await consume(2), numbers(2))
    await mq.admin.resetOffset({ group, topic, offset: 7, queueId: 0 })
    assert.deepEqual(await consume(3), numbersFrom(7, 3))
  })
}

function timeRule({ name, needs, start }: Kind): ConformanceRule {
  return rule(
    '12.3',
    `A reset to a time reaches ${name} that runs`,
    { needs: [...needs, 'virtualTime'] },
    async (world) => {
      const mq = await world.openShop()
      const consume = await start(mq)
      const times: number[] = []
      for (const body of numbers(4)) {
        times.push(mq.now())
        await send(mq, body)
        await mq.advance(1000)
      }
      assert.deepEqual(await consume(4), numbers(4))
      await mq.admin.resetOffset({ group, topic, timestamp: times[1]! })
      assert.deepEqual(await consume(3), ['1', '2', '3'])
      await mq.admin.resetOffset({ group, topic, timestamp: times[2]! + 1 })
      assert.deepEqual(await consume(1), ['3'])
    },
  )
}

export const resets: ConformanceChapter = {
  title: 'Resets while consumers run',
  rules: [
    ...KINDS.map(backRule),
    ...KINDS.filter(({ isAsked }) => isAsked).map(forwardRule),
    ...KINDS.map(timeRule),
    rule('12.3', 'What polls returned before a reset does not move the offset', async (world) => {
      const { mq, consumer } = await openLite(world, 10, { pullBatchSize: 4 })
      await pollTexts(mq, consumer, 4)
      await mq.admin.resetOffset({ group, topic, offset: 1, queueId: 0 })
      await consumer.close()
      assert.equal(await committed(mq), 1)
      assert.deepEqual(await drain(mq, await lite(mq), 9), numbersFrom(1, 9))
    }),
    rule('12.3', 'A poll that waits gets what a reset brings', async (world) => {
      const { mq, consumer } = await openLite(world, 5)
      await pollTexts(mq, consumer, 5)
      const polling = consumer.poll({ timeoutMs: LONG_MS })
      await mq.rest()
      await mq.admin.resetOffset({ group, topic, offset: 3, queueId: 0 })
      assert.deepEqual(textsOf(await polling), ['3', '4'])
    }),
    rule(
      '12.3',
      'A receive that waits gets what a reset brings, and what is invisible comes besides',
      { needs: ['pop', 'virtualTime'], differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 3)
        await receive(consumer, { invisibleDurationMs: INVISIBLE_MS })
        const receiving = consumer.receive({ awaitDurationMs: LONG_MS, invisibleDurationMs: 3_600_000 })
        await mq.rest()
        await mq.admin.resetOffset({ group, topic, offset: 1, queueId: 0 })
        assert.deepEqual(textsOf(await receiving), ['1', '2'])
        await mq.advance(INVISIBLE_MS + SOON_MS)
        assert.deepEqual((await receiveTexts(consumer)).sort(), numbers(3))
      },
    ),
    rule(
      '12.3',
      'Retries that wait come after a reset all the same',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const { texts } = await subscribe(mq, { listener: failing(1) })
        await send(mq, ['bad', 'good'])
        await mq.rest()
        await mq.admin.resetOffset({ group, topic, offset: 'max' })
        await mq.advance('10s')
        assert.deepEqual(texts(), ['bad', 'good', 'bad'])
      },
    ),
    rule('12.3', 'A reset answers where the group goes on in each queue', async (world) => {
      const mq = await openMidst(world)
      const answers = [
        await mq.admin.resetOffset({ group, topic, offset: 'min' }),
        await mq.admin.resetOffset({ group, topic, offset: 2, queueId: 1 }),
      ]
      assert.deepEqual(
        answers.map((answer) => answer.map(({ queue, offset }) => [queue.queueId, offset])),
        [
          [
            [0, 0],
            [1, 0],
          ],
          [[1, 2]],
        ],
      )
    }),
    rule(
      '12.3',
      'A reset goes no further back than to the oldest message',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await openAgedShop(world)
        await mq.admin.createGroup({ group })
        await refused('INVALID_PARAMETER', () =>
          mq.admin.resetOffset({ group, topic, offset: 1, queueId: 0 }),
        )
        for (const where of [{ offset: 'min' }, { timestamp: 0 }] as const) {
          await mq.admin.resetOffset({ group, topic, offset: 'max' })
          await mq.admin.resetOffset({ group, topic, ...where })
          assert.equal(await committed(mq), 2)
        }
      },
    ),
    rule('12.3', 'A reset is there after a restart', { needs: ['reopen'] }, async (world) => {
      const mq = await openMidst(world)
      await mq.admin.resetOffset({ group, topic, offset: 1, queueId: 0 })
      assert.deepEqual(await offsetsOf(await world.reopen(mq), group), [1, 4])
    }),
  ],
}
