import { describe, expect, test } from 'vitest'
import { messageIdFor } from '../../src/model/message-id-for.ts'
import { splitIntoBatches } from '../../src/model/split-into-batches.ts'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { schemaOf } from '../helpers/schemas.ts'

const values = defineTopic({ name: 't', schema: schemaOf<unknown>((value) => ({ value })) })

async function open() {
  const mq = await createTestMQ({ topics: [{ topic: 't', queues: 1 }], deduplicationWindowMs: 1000 })
  const producer = await mq.createProducer({ group: 'g', transactionChecker: () => 'UNKNOWN' })
  const stored = async () => (await mq.admin.browse('t')).map((message) => message.text())
  return { mq, producer, stored }
}

/** What a call throws or rejects with. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    return { answered: await call() }
  } catch (error) {
    return error
  }
}

const thrower = (field: string, rest: object): never =>
  Object.defineProperty({ ...rest }, field, {
    enumerable: true,
    get: () => {
      throw new TypeError(`no ${field}`)
    },
  }) as never

const FIELDS = 'topic body tag keys properties messageGroup delayTimeLevel deliveryTimestamp priority'.split(
  ' ',
)
const ODD: [string, unknown][] = [
  ['a symbol', Symbol('odd')],
  ['an object without a prototype', Object.create(null)],
]

describe('A message that cannot be read', () => {
  test.each(FIELDS)('because its %s throws is illegal, however it is sent', async (field) => {
    const { producer, stored } = await open()
    const message = thrower(field, { topic: 't', body: 'x' })
    const illegal = mqError('MESSAGE_ILLEGAL', `no ${field}`)
    expect(await failureOf(() => producer.send(message))).toEqual(illegal)
    expect(await failureOf(() => producer.send(message, {}))).toEqual(illegal)
    expect(await failureOf(() => producer.send([message]))).toEqual(illegal)
    expect(await failureOf(() => producer.sendOneway(message))).toEqual(illegal)
    expect(await failureOf(() => producer.request(message))).toEqual(illegal)
    expect(await failureOf(() => producer.sendInTransaction(message, () => 'COMMIT'))).toEqual(illegal)
    expect(await failureOf(() => [...splitIntoBatches([message])])).toEqual(illegal)
    expect(await stored()).toEqual([])
  })

  test.each(ODD)('because a number is %s is illegal', async (_, odd) => {
    const { producer } = await open()
    for (const field of ['delayTimeLevel', 'deliveryTimestamp', 'priority']) {
      const message = { topic: 't', body: 'x', [field]: odd } as never
      expect(await failureOf(() => producer.send(message))).toEqual(mqError('MESSAGE_ILLEGAL', field))
      expect(await failureOf(() => producer.sendOneway(message))).toEqual(mqError('MESSAGE_ILLEGAL', field))
      expect(await failureOf(() => [...splitIntoBatches([message])])).toEqual(
        mqError('MESSAGE_ILLEGAL', field),
      )
    }
  })
})

describe('Options that make no sense', () => {
  const message = { topic: 't', body: 'x' }

  test.each([5, 'x', Symbol('odd'), null] as never[])('%o are refused by every way to send', async (odd) => {
    const { producer } = await open()
    const refused = mqError('INVALID_PARAMETER')
    expect(await failureOf(() => producer.send(message, odd))).toEqual(refused)
    expect(await failureOf(() => producer.sendOneway(message, odd))).toEqual(refused)
    expect(await failureOf(() => producer.request(message, odd))).toEqual(refused)
  })

  test.each(ODD)('a timeoutMs that is %s is refused', async (_, odd) => {
    const { producer } = await open()
    const refused = mqError('INVALID_PARAMETER', 'timeoutMs')
    expect(await failureOf(() => producer.send(message, { timeoutMs: odd as never }))).toEqual(refused)
    expect(await failureOf(() => producer.sendOneway(message, { timeoutMs: odd as never }))).toEqual(refused)
    expect(await failureOf(() => producer.request(message, { timeoutMs: odd as never }))).toEqual(refused)
  })

  test('a getter that throws is refused', async () => {
    const { producer } = await open()
    const options = thrower('timeoutMs', {})
    const refused = mqError('INVALID_PARAMETER', 'no timeoutMs')
    expect(await failureOf(() => producer.send(message, options))).toEqual(refused)
    expect(await failureOf(() => producer.sendOneway(message, options))).toEqual(refused)
    expect(await failureOf(() => producer.request(message, options))).toEqual(refused)
  })

  test('a list is no messageId', async () => {
    const { mq, producer } = await open()
    const messageId = [messageIdFor('o-1')] as never
    expect(await failureOf(() => producer.send(message, { messageId }))).toEqual(mqError('INVALID_PARAMETER'))
    expect(await failureOf(() => mq.admin.trace(messageId))).toEqual(mqError('INVALID_PARAMETER'))
  })

  test.each(ODD)('operations refuse %s', async (_, odd) => {
    const { mq } = await open()
    expect(await failureOf(() => mq.admin.trace(odd as never))).toEqual(mqError('INVALID_PARAMETER'))
    expect(await failureOf(() => mq.admin.rescheduleMessage('t', 'h', odd as never))).toEqual(
      mqError('INVALID_PARAMETER', 'deliveryTimestamp'),
    )
  })

  test.each([null, undefined, 5, {}, { body: '5' }] as never[])('%o is no message to parse', async (odd) => {
    expect(await failureOf(() => values.parse(odd))).toEqual(mqError('INVALID_PARAMETER'))
  })
})

describe('Fields that a message has not itself', () => {
  class Reminder {
    readonly #topic
    constructor(topic: unknown) {
      this.#topic = topic
    }
    get topic() {
      return this.#topic
    }
    get body() {
      return 'x'
    }
    get tag() {
      return 'a'
    }
    get keys() {
      return ['k']
    }
    get delayTimeLevel() {
      return 1
    }
  }

  const defaults = { tag: 'a', keys: ['k'], delayTimeLevel: 1 }

  test.each([
    ['a class', 'by name', new Reminder('t')],
    ['a class', 'typed', new Reminder(values)],
    ['defaults', 'by name', Object.assign(Object.create(defaults), { topic: 't', body: 'x' })],
    ['defaults', 'typed', Object.assign(Object.create(defaults), { topic: values, body: 'x' })],
  ])('but %s of it, count as its own, %s', async (_, __, message) => {
    const { mq, producer, stored } = await open()
    const { messageId } = await producer.send(message)
    expect(await stored()).toEqual([])
    await mq.clock.advance('1s')
    const found = await mq.admin.queryMessageById(messageId)
    expect(found).toMatchObject({ tag: 'a', keys: ['k'], delayTimeLevel: 1 })
  })

  test('are read once, by all who look at them', async () => {
    const { producer } = await open()
    let count = 0
    const message = {
      topic: values,
      body: 'x',
      get messageGroup() {
        count += 1
        return `group ${count}`
      },
    }
    await producer.send(message as never)
    expect(count).toBe(1)
  })
})

describe('Names and handles', () => {
  test('keys that UTF-8 would make one have no id', () => {
    for (const key of ['order-\ud800', 'order-\udbff'])
      expect(() => messageIdFor(key)).toThrow(mqError('INVALID_PARAMETER', 'lone surrogate'))
  })

  test('a clientId with a lone surrogate is refused: no reply would find it', async () => {
    const { mq } = await open()
    const clientId = 'a\ud800'
    const refused = mqError('INVALID_PARAMETER', 'clientId')
    await expect(mq.createProducer({ group: 'h', clientId })).rejects.toEqual(refused)
    await expect(mq.createPullConsumer({ group: 'h', clientId })).rejects.toEqual(refused)
  })

  test('a second producer of the same name is refused, until the first has left', async () => {
    const { mq } = await open()
    const options = { group: 'h', clientId: 'c' }
    const [first, second] = await Promise.allSettled([mq.createProducer(options), mq.createProducer(options)])
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_PARAMETER' } })
    await expect(mq.createProducer({ group: 'h', clientId: ' c ' })).rejects.toEqual(
      mqError('INVALID_PARAMETER', "'c'"),
    )
    await mq.createProducer({ ...options, group: 'i' })
    await mq.createPullConsumer(options)
    if (first.status === 'fulfilled') await first.value.close()
    await mq.createProducer(options)
  })

  test('a recall handle is taken as it was given only', async () => {
    const { mq, producer } = await open()
    const deliveryTimestamp = mq.clock.now() + 1000
    const receipt = await producer.send({ topic: 't', body: 'x', deliveryTimestamp })
    const handle = receipt.recallHandle!
    const written = (change: (text: string) => string): string =>
      Buffer.from(change(Buffer.from(handle, 'base64url').toString())).toString('base64url')
    const hex = written((text) => text.replace(/(\d+)$/, (id) => `0x${Number(id).toString(16)}`))
    const padded = written((text) => text.replace(/(\d+)$/, '0$1'))
    for (const odd of [hex, padded, ` ${handle}`, `${handle}\n`, `${handle}=!`])
      await expect(producer.recall('t', odd)).rejects.toEqual(
        mqError('ILLEGAL_OPERATION', 'not a recall handle'),
      )
    await producer.recall('t', handle)
  })

  test('what an error repeats is short, and on one line', async () => {
    const { producer } = await open()
    const odd = `x\n[ERROR] all is lost\u2028${'y'.repeat(5000)}`
    const recalled = (await failureOf(() => producer.recall('t', odd))) as Error
    expect(recalled).toEqual(mqError('ILLEGAL_OPERATION'))
    const refusing = defineTopic({ name: 't', schema: schemaOf(() => ({ issues: [{ message: odd }] })) })
    const refused = (await failureOf(() => producer.send({ topic: refusing, body: 1 }))) as Error
    expect(refused).toEqual(mqError('SCHEMA_MISMATCH'))
    const failing = defineTopic({
      name: 't',
      schema: schemaOf(() => {
        throw new Error(odd)
      }),
    })
    const failed = (await failureOf(() => producer.send({ topic: failing, body: 1 }))) as Error
    expect(failed).toEqual(mqError('INVALID_PARAMETER'))
    for (const { message } of [recalled, refused, failed]) {
      expect(message).not.toMatch(/[\n\u2028]/)
      expect(message.length).toBeLessThan(1100)
    }
  })
})
