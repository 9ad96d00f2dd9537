/** Refusals: their codes are RocketMQ's, and what is refused changes nothing. */
import { strict as assert } from 'node:assert'
import type { PushConsumerOptions } from '../../../consumer/push-consumer-options.ts'
import { MQError, type MQErrorCode } from '../../../model/errors.ts'
import { Permission } from '../../../model/topic.ts'
import type { ProducerOptions } from '../../../producer/producer-options.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { pull, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const UNKNOWN_ID = `01${'0'.repeat(32)}`

/** A code, RocketMQ's number for it, when it occurs, and how to provoke it. */
type CodeRow = readonly [
  code: MQErrorCode,
  responseCode: number,
  title: string,
  provoke: (mq: EngineMQ) => unknown,
]

const CODES: readonly CodeRow[] = [
  ['MESSAGE_ILLEGAL', 13, 'A message that is illegal', (mq) => send(mq, '')],
  [
    'NO_PERMISSION',
    16,
    'Something that is not permitted',
    async (mq) => {
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.NONE })
      await send(mq, 'x')
    },
  ],
  ['TOPIC_NOT_EXIST', 17, 'A topic that does not exist', (mq) => mq.admin.topicStatus('nowhere')],
  [
    'TOPIC_EXIST_ALREADY',
    18,
    'A topic that exists already',
    (mq) => mq.admin.createTopic({ topic: 'orders', queues: 9 }),
  ],
  [
    'SUBSCRIPTION_PARSE_FAILED',
    23,
    'A tag expression that cannot be parsed',
    (mq) => subscribe(mq, { subscriptions: { orders: '||' } }),
  ],
  [
    'SUBSCRIPTION_GROUP_NOT_EXIST',
    26,
    'A group that does not exist',
    (mq) => mq.admin.consumerProgress('nobody'),
  ],
  ['INVALID_PARAMETER', 29, 'A wrong argument', (mq) => mq.admin.createTopic({ topic: 'no dots.' })],
  ['NO_MESSAGE', 208, 'A message that does not exist', (mq) => mq.admin.queryMessageById(UNKNOWN_ID)],
]

function codeRule([code, responseCode, title, provoke]: CodeRow): ConformanceRule {
  return rule('14.1', `${title} is refused with ${responseCode}, ${code}`, async (world) => {
    const mq = await world.openShop()
    const error = await refused(code, () => provoke(mq))
    assert.equal(error.responseCode, responseCode)
    assert.ok(error.message.length > 10, 'it says what is wrong')
  })
}

export const errors: ConformanceChapter = {
  title: 'Refusals and their codes',
  rules: [
    ...CODES.map(codeRule),
    rule('14.2', 'Everything that is thrown is an MQError', async (world) => {
      const mq = await world.openShop()
      const calls: (() => unknown)[] = [
        () => mq.createProducer(undefined as never),
        () => mq.createPushConsumer({} as never),
        () => send(mq, 5 as never),
        () => mq.admin.createTopic(null as never),
        () => mq.admin.queryMessageById(undefined as never),
        () => mq.admin.queryMessageByOffset(undefined as never, 0),
        () => mq.admin.resetOffset({} as never),
      ]
      for (const call of calls) await assert.rejects(async () => call(), MQError)
    }),
    rule('14.1', 'Options that do not exist are refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const consumer = { group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined }
      await refused('INVALID_PARAMETER', () =>
        mq.createProducer({ group: 'shop', timeout: 1 } as ProducerOptions),
      )
      await refused('INVALID_PARAMETER', () =>
        mq.createPushConsumer({ ...consumer, threads: 1 } as PushConsumerOptions),
      )
      await refused('INVALID_PARAMETER', () => mq.admin.createTopic({ topic: 'a', queueNums: 1 } as never))
      await refused('INVALID_PARAMETER', () => mq.admin.createGroup({ group: 'a', retries: 1 } as never))
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule('14.1', 'A topic has 1 to 65,536 queues', { differs: true }, async (world) => {
      const mq = await world.open()
      for (const queues of [0, -1, 1.5, 65_537, Number.NaN])
        await refused('INVALID_PARAMETER', () => mq.admin.createTopic({ topic: 'orders', queues }))
      assert.deepEqual(await mq.admin.topics(), [])
    }),
    rule('14.1', 'A permission is none, read, write, or both', async (world) => {
      const mq = await world.open()
      for (const permission of [1, 3, 5, 7, 8, -1, 'RW'])
        await refused('INVALID_PARAMETER', () =>
          mq.admin.createTopic({ topic: 'orders', permission: permission as never }),
        )
    }),
    rule('5.1', 'An unknown group is noticed before an unknown topic', async (world) => {
      const mq = await world.open()
      const queue = { topic: 'nowhere', brokerName: 'localhost', queueId: 0 }
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () => pull(mq, { queue }))
      await mq.admin.createGroup({ group: 'billing', consumeEnable: false })
      await refused('NO_PERMISSION', () => pull(mq, { queue }))
      await mq.admin.createGroup({ group: 'billing', consumeEnable: true })
      await refused('TOPIC_NOT_EXIST', () => pull(mq, { queue }))
    }),
    rule('14.2', 'A closed instance refuses everything', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      const report = await mq.close()
      await refused('CLOSED', () => producer.send({ topic: 'orders', body: 'x' }))
      await refused('CLOSED', () => mq.createProducer({ group: 'shop' }))
      await refused('CLOSED', () => subscribe(mq))
      await refused('CLOSED', () => mq.admin.topics())
      assert.deepEqual(await mq.close(), report)
    }),
  ],
}
