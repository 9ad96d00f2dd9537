/** Messages: their fields, their properties and their ids. */
import { strict as assert } from 'node:assert'
import type { Message, MessageView } from '../../../model/message.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

/** Names that RocketMQ's `putUserProperty` refuses. */
const RESERVED =
  `KEYS TAGS WAIT DELAY RETRY_TOPIC REAL_TOPIC REAL_QID TRAN_MSG PGROUP MIN_OFFSET MAX_OFFSET BUYER_ID
  ORIGIN_MESSAGE_ID TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME MAX_RECONSUME_TIMES MSG_REGION TRACE_ON UNIQ_KEY
  EXTEND_UNIQ_INFO CONSUME_START_TIME INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL ARRIVE_TIME PUSH_REPLY_TIME CLUSTER
  MSG_TYPE POP_CK POP_CK_OFFSET 1ST_POP_TIME TIMER_DELIVER_MS TIMER_DELAY_SEC TIMER_DELAY_MS TIMER_OUT_MS DUP_INFO
  TRAN_PREPARED_QUEUE_OFFSET __CRC32# DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID BORN_TIMESTAMP __BORNHOST`.split(
    /\s+/,
  )

/** Sends a message and receives it. */
async function roundTrip(mq: EngineMQ, message: Omit<Message, 'topic'>): Promise<MessageView> {
  const producer = await mq.producer()
  const { deliveries } = await subscribe(mq)
  await producer.send({ topic: 'orders', ...message })
  await mq.until('the message arrives', () => deliveries.length === 1)
  return deliveries[0]!.message
}

/** The message must be refused, and nothing stored. */
async function illegal(mq: EngineMQ, message: object): Promise<void> {
  const producer = await mq.producer()
  await refused('MESSAGE_ILLEGAL', () => producer.send({ topic: 'orders', body: 'x', ...message } as Message))
  assert.deepEqual(await mq.admin.browse('orders'), [])
}

export const messages: ConformanceChapter = {
  title: 'Messages',
  rules: [
    rule('2.1', 'Body, tag, keys and properties arrive as they were sent', async (world) => {
      const mq = await world.openShop()
      const content = {
        tag: 'paid',
        keys: ['o-42', 'c-7'],
        properties: { region: 'eu', Region: 'us', 'a=b': 'c;d' },
      }
      const message = await roundTrip(mq, { body: 'hello', ...content })
      const { tag, keys, properties } = message
      assert.deepEqual({ tag, keys: [...keys], properties: { ...properties } }, content)
      assert.equal(message.text(), 'hello')
    }),
    rule('2.1', 'A body is bytes, and every byte arrives', async (world) => {
      const mq = await world.openShop()
      const body = Uint8Array.from({ length: 512 }, (_, index) => index % 256)
      assert.deepEqual(Uint8Array.from((await roundTrip(mq, { body })).body), body)
    }),
    rule('2.1', 'A body that is a string is its UTF-8', async (world) => {
      const mq = await world.openShop()
      const message = await roundTrip(mq, { body: '{"price":"5 €","emoji":"🚲"}' })
      assert.deepEqual(message.body, Buffer.from('{"price":"5 €","emoji":"🚲"}', 'utf8'))
      assert.deepEqual(message.json(), { price: '5 €', emoji: '🚲' })
    }),
    rule('2.1', 'A buffer may be used again as soon as send was called', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      const body = Buffer.from('first')
      const sent = producer.send({ topic: 'orders', body })
      body.write('later')
      await sent
      assert.equal((await mq.admin.browse('orders'))[0]?.text(), 'first')
    }),
    rule('1.1', 'An empty body is refused', async (world) => {
      const mq = await world.openShop()
      await illegal(mq, { body: '' })
      await illegal(mq, { body: new Uint8Array(0) })
    }),
    rule('1.1', 'A message without a body is refused', async (world) => {
      const mq = await world.openShop()
      for (const body of [undefined, null, 5, {}, [1]]) await illegal(mq, { body })
    }),
    rule('2.1', 'A body that UTF-8 cannot express is refused', { differs: true }, async (world) => {
      await illegal(await world.openShop(), { body: 'half a pair: \ud83d' })
    }),
    rule('2.1', 'A field that messages do not have is refused', { differs: true }, async (world) => {
      await illegal(await world.openShop(), { tags: 'paid' })
    }),
    rule('2.1', 'What a message does not have is absent when it arrives', async (world) => {
      const { tag, keys, properties } = await roundTrip(await world.openShop(), { body: 'x' })
      assert.deepEqual([tag, [...keys], { ...properties }], [undefined, [], {}])
    }),
    rule('2.2', 'Nothing is added to the properties of a message', { differs: true }, async (world) => {
      const { properties } = await roundTrip(await world.openShop(), {
        body: 'x',
        tag: 't',
        properties: { a: 'b' },
      })
      assert.deepEqual({ ...properties }, { a: 'b' })
    }),
    rule('2.1', 'One key is a string, several are a list', async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x', { keys: 'o-42' })
      await send(mq, 'x', { keys: ['o-43', 'o-44'] })
      const keys = (await mq.admin.browse('orders')).map((message) => [...message.keys])
      assert.deepEqual(keys, [['o-42'], ['o-43', 'o-44']])
    }),
    rule('2.1', 'A key with white space is refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      for (const keys of ['a b', ['a', 'b\tc'], '', [''], ['a', 5], 'a\u0001'] as const)
        await illegal(mq, { keys })
    }),
    rule('2.1', 'A tag that no subscription could name is refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      for (const tag of ['', ' ', ' paid', 'paid ', 'a|b', 'a||b', '*', 'a\u0002', 5])
        await illegal(mq, { tag })
    }),
    rule('2.1', 'Properties with RocketMQ’s own names are refused', async (world) => {
      const mq = await world.openShop()
      for (const name of RESERVED) await illegal(mq, { properties: { [name]: 'x' } })
    }),
    rule('2.1', 'Properties with a blank name or a blank value are refused', async (world) => {
      const mq = await world.openShop()
      for (const properties of [{ '': 'x' }, { ' ': 'x' }, { a: '' }, { a: ' ' }])
        await illegal(mq, { properties })
    }),
    rule('2.2', 'Properties with control characters are refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      for (const properties of [{ a: 'b\u0001' }, { 'a\u0002': 'b' }, { a: 'b\nc' }])
        await illegal(mq, { properties })
    }),
    rule('2.1', 'Properties that are no strings are refused', async (world) => {
      const mq = await world.openShop()
      for (const properties of [{ a: 5 }, { a: null }, ['a'], new Map([['a', 'b']]), 'a'])
        await illegal(mq, { properties })
    }),
    rule('2.1', 'Properties may be in any language', async (world) => {
      const properties = { größe: '大', region: 'Zürich 🏔' }
      const message = await roundTrip(await world.openShop(), { body: 'x', properties })
      assert.deepEqual({ ...message.properties }, properties)
    }),
    rule('2.1', 'A message says where it lies, as its receipt did', async (world) => {
      const mq = await world.openShop(2)
      await send(mq, 'before', { queueId: 1 })
      const [receipt] = await send(mq, 'x', { queueId: 1 })
      const message = (await mq.admin.browse(receipt!.queue, { offset: 1 }))[0]!
      assert.equal(message.topic, 'orders')
      assert.deepEqual(
        [
          message.queue,
          message.queueOffset,
          message.messageId,
          message.offsetMessageId,
          message.storeTimestamp,
        ],
        [receipt!.queue, 1, receipt!.messageId, receipt!.offsetMessageId, receipt!.storeTimestamp],
      )
    }),
    rule(
      '2.1',
      'A message is born when it is sent, and stored not before',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        await mq.advance(12_345)
        const message = await roundTrip(mq, { body: 'x' })
        assert.equal(message.bornTimestamp, mq.now())
        assert.ok(message.storeTimestamp >= message.bornTimestamp)
      },
    ),
    rule('2.1', 'The first delivery is attempt 1 after 0 failures', async (world) => {
      const { deliveryAttempt, reconsumeTimes } = await roundTrip(await world.openShop(), { body: 'x' })
      assert.deepEqual([deliveryAttempt, reconsumeTimes], [1, 0])
    }),
    rule('2.5', 'The stored size counts more than the body', async (world) => {
      const { storeSize } = await roundTrip(await world.openShop(), { body: 'x'.repeat(1000) })
      assert.ok(storeSize > 1000 && storeSize < 1500, `${storeSize} bytes`)
    }),
    rule(
      '2.4',
      'A message id has the 34 upper-case hex characters of RocketMQ 5 and is unique',
      async (world) => {
        const mq = await world.openShop()
        const receipts = await send(
          mq,
          Array.from({ length: 100 }, () => 'x'),
        )
        const ids = receipts.map(({ messageId }) => messageId)
        assert.equal(new Set(ids).size, 100)
        for (const id of ids) assert.match(id, /^01[0-9A-F]{32}$/)
      },
    ),
    rule('2.4', 'Message ids of one producer ascend', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const receipts = await send(
        mq,
        Array.from({ length: 100 }, () => 'x'),
      )
      const ids = receipts.map(({ messageId }) => messageId)
      assert.deepEqual(ids, ids.toSorted())
    }),
    rule('2.4', 'An offset message id has 32 upper-case hex characters and is unique', async (world) => {
      const mq = await world.openShop(4)
      const receipts = await send(
        mq,
        Array.from({ length: 100 }, () => 'x'),
      )
      const ids = receipts.map(({ offsetMessageId }) => offsetMessageId)
      assert.equal(new Set(ids).size, 100)
      for (const id of ids) assert.match(id, /^[0-9A-F]{32}$/)
    }),
  ],
}
