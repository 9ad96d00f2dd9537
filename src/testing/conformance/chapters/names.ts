/** Which names topics and groups may have. */
import { strict as assert } from 'node:assert'
import { failing, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const ILLEGAL_NAMES = ['a.b', 'a b', 'a/b', 'a+b', 'a#b', 'a@b', 'a:b', 'größe', '订单', ' a', 'a\n']

const listener = (): void => undefined

export const names: ConformanceChapter = {
  title: 'Names and limits',
  rules: [
    rule('1.1', 'A topic name holds letters, digits, %, |, _ and -', async (world) => {
      const mq = await world.open()
      const [receipt] = await send(mq, 'x', { topic: '-%aZ|09_' })
      assert.equal(receipt?.queue.topic, '-%aZ|09_')
    }),
    rule('1.1', 'A topic name with any other character is refused, and no topic is made', async (world) => {
      const mq = await world.open()
      for (const topic of ILLEGAL_NAMES) {
        await refused('INVALID_PARAMETER', () => send(mq, 'x', { topic }))
        await refused('INVALID_PARAMETER', () => mq.admin.createTopic({ topic }))
      }
      assert.deepEqual(await mq.admin.topics(), [])
    }),
    rule('1.1', 'A blank topic name is refused', async (world) => {
      const mq = await world.open()
      for (const topic of ['', ' ', '\t']) await refused('INVALID_PARAMETER', () => send(mq, 'x', { topic }))
    }),
    rule('1.1', 'A topic name has at most 127 characters', async (world) => {
      const mq = await world.open()
      await send(mq, 'x', { topic: 't'.repeat(127) })
      await refused('INVALID_PARAMETER', () => send(mq, 'x', { topic: 't'.repeat(128) }))
    }),
    rule('1.1', 'A retry or dead-letter topic may have 255 characters', { differs: true }, async (world) => {
      const mq = await world.open()
      for (const prefix of ['%RETRY%', '%DLQ%']) {
        await mq.admin.createTopic({ topic: prefix.padEnd(255, 'g') })
        await refused('INVALID_PARAMETER', () => mq.admin.createTopic({ topic: prefix.padEnd(256, 'g') }))
      }
    }),
    rule('1.1', 'Topic names that differ in case are different topics', async (world) => {
      const mq = await world.open()
      await send(mq, 'x', { topic: 'orders' })
      await send(mq, 'x', { topic: 'Orders' })
      assert.deepEqual((await mq.admin.topics()).map(({ topic }) => topic).sort(), ['Orders', 'orders'])
    }),
    rule('1.1', 'A group name holds letters, digits, %, |, _ and -', async (world) => {
      const mq = await world.open()
      const group = '-%aZ|09_'
      assert.equal((await mq.createProducer({ group })).group, group)
      assert.equal((await subscribe(mq, { group })).consumer.group, group)
    }),
    rule('1.1', 'A group name with any other character, or a blank one, is refused', async (world) => {
      const mq = await world.open()
      for (const group of ['', ' ', ...ILLEGAL_NAMES]) {
        await refused('INVALID_PARAMETER', () => mq.createProducer({ group }))
        await refused('INVALID_PARAMETER', () => subscribe(mq, { group }))
        await refused('INVALID_PARAMETER', () => mq.admin.createGroup({ group }))
      }
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule('1.1', 'A group name has at most 120 characters', async (world) => {
      const mq = await world.open()
      const [longest, longer] = ['g'.repeat(120), 'g'.repeat(121)]
      await mq.createProducer({ group: longest })
      await subscribe(mq, { group: longest })
      await refused('INVALID_PARAMETER', () => mq.createProducer({ group: longer }))
      await refused('INVALID_PARAMETER', () => subscribe(mq, { group: longer }))
    }),
    rule('1.1', 'The producer group DEFAULT_PRODUCER is reserved', async (world) => {
      const mq = await world.open()
      await refused('INVALID_PARAMETER', () => mq.createProducer({ group: 'DEFAULT_PRODUCER' }))
    }),
    rule('1.1', 'The consumer group DEFAULT_CONSUMER is reserved', async (world) => {
      const mq = await world.open()
      await refused('INVALID_PARAMETER', () => subscribe(mq, { group: 'DEFAULT_CONSUMER' }))
    }),
    rule('1.1', 'The topics of a subscription have legal names', async (world) => {
      const mq = await world.open()
      const subscriptions = { 'no dots. no blanks': '*' }
      await refused('INVALID_PARAMETER', () =>
        mq.createPushConsumer({ group: 'billing', subscriptions, listener }),
      )
    }),
    rule('1.2', 'Topics that RocketMQ needs for itself take no messages', async (world) => {
      const mq = await world.open()
      const forbidden = [
        'SCHEDULE_TOPIC_XXXX',
        'RMQ_SYS_TRANS_HALF_TOPIC',
        'RMQ_SYS_TRANS_OP_HALF_TOPIC',
        'TRANS_CHECK_MAX_TIME_TOPIC',
        'SELF_TEST_TOPIC',
        'OFFSET_MOVED_EVENT',
      ]
      for (const topic of forbidden) await refused('NO_PERMISSION', () => send(mq, 'x', { topic }))
    }),
    rule('1.2', 'No other system topic takes messages either', { differs: true }, async (world) => {
      const mq = await world.open()
      for (const topic of ['TBW102', 'BenchmarkTest', 'DefaultCluster', 'RMQ_SYS_TRACE_TOPIC', 'rmq_sys_any'])
        await refused('NO_PERMISSION', () => send(mq, 'x', { topic }))
    }),
    rule(
      '1.2',
      'System topics are neither created, changed nor deleted',
      { differs: true },
      async (world) => {
        const mq = await world.open()
        for (const topic of ['TBW102', 'SCHEDULE_TOPIC_XXXX', 'rmq_sys_REVIVE_LOG_DefaultCluster']) {
          await refused('NO_PERMISSION', () => mq.admin.createTopic({ topic }))
          await refused('NO_PERMISSION', () => mq.engine.deleteTopic(topic))
        }
      },
    ),
    rule('1.3', 'The retry topic of a group is %RETRY% and its name', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq)
      assert.deepEqual((await mq.admin.topics()).map(({ topic }) => topic).sort(), [
        '%RETRY%billing',
        'orders',
      ])
    }),
    rule('1.3', 'The dead-letter topic of a group is %DLQ% and its name', async (world) => {
      const mq = await world.openShop()
      const letters: string[] = []
      mq.on('dead-letter', ({ deadLetterTopic }) => letters.push(deadLetterTopic))
      await subscribe(mq, { listener: failing(), maxReconsumeTimes: 0 })
      await send(mq, 'x')
      await mq.until('the message becomes a dead letter', () => letters.length > 0)
      assert.deepEqual(letters, ['%DLQ%billing'])
      assert.ok((await mq.admin.topics()).some(({ topic }) => topic === '%DLQ%billing'))
    }),
  ],
}
