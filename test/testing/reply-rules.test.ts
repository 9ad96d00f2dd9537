/** What tests see of requests: the linter, the ledger's words, and members that went with a crash. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { livesIn } from '../../src/testing/assertions/message-life.ts'
import { timelineOf } from '../../src/testing/assertions/timeline.ts'
import { createTestMQ, type TestMQ, type TestMQOptions } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

const request = { topic: 'prices', body: 'apples' }
const subscriptions = { prices: '*' }

async function open(options: TestMQOptions = {}): Promise<TestMQ> {
  const mq = await createTestMQ({ topics: [{ topic: 'prices', queues: 1 }], ...options })
  onTestFinished(() => mq.close().then(() => undefined))
  return mq
}

describe('REPLY_BY_SIMPLE_CONSUMER', () => {
  test('is found when a simple consumer replies', async () => {
    const mq = await open({ strict: 'warn' })
    const producer = await mq.createProducer({ group: 'shop' })
    const simple = await mq.createSimpleConsumer({ group: 'clerks', subscriptions })
    const asking = producer.request(request)
    for (const message of await simple.receive()) await message.reply('x')
    await asking
    expect(mq.lint.findings).toMatchObject([
      {
        code: 'REPLY_BY_SIMPLE_CONSUMER',
        severity: 'breaks',
        group: 'clerks',
        topic: 'prices',
        message: "A simple consumer of the group 'clerks' replies to a request of 'prices'.",
      },
    ])
  })

  test('is refused with strict: throw, and the reply is not sent', async () => {
    const mq = await open({ strict: 'throw' })
    const producer = await mq.createProducer({ group: 'shop' })
    const simple = await mq.createSimpleConsumer({ group: 'clerks', subscriptions })
    const asking = producer.request(request, { timeoutMs: 100 }).catch((error: unknown) => error)
    for (const message of await simple.receive())
      await expect(message.reply('x')).rejects.toEqual(mqError('LINT_FAILED', 'REPLY_BY_SIMPLE_CONSUMER'))
    await mq.clock.advance(100)
    expect(await asking).toEqual(mqError('REQUEST_TIMEOUT'))
    expect(mq.ledger.of('replied')).toEqual([])
  })

  test('is not found for other consumers', async () => {
    const mq = await open({ strict: 'warn' })
    const producer = await mq.createProducer({ group: 'shop' })
    const listener = async (message: MessageView) => void (await message.reply('x'))
    await mq.createPushConsumer({ group: 'clerks', subscriptions, listener })
    await producer.request(request)
    expect(mq.lint.findings).toEqual([])
  })
})

test('The life of a request says who replied, and whether it was in time', async () => {
  const mq = await open()
  const producer = await mq.createProducer({ group: 'shop' })
  const asking = producer.request(request)
  const listener = async (message: MessageView): Promise<void> => {
    for (const text of ['one', 'two']) await message.reply(text)
  }
  await mq.createPushConsumer({ group: 'clerks', subscriptions, listener })
  await asking
  await mq.settled()
  const lines = livesIn(mq.ledger).flatMap(timelineOf)
  expect(lines.filter((line) => line.includes('replied')).map((line) => line.replace(/^\S+\s+/, ''))).toEqual(
    ["replied to by 'clerks', DELIVERED", "replied to by 'clerks', DROPPED"],
  )
})

test('A listener of a crashed instance replies to nobody', async () => {
  const mq = await open()
  const producer = await mq.createProducer({ group: 'shop' })
  let request: MessageView | undefined
  const listener = (message: MessageView): Promise<undefined> => {
    request = message
    return new Promise(() => undefined)
  }
  await mq.createPushConsumer({ group: 'clerks', subscriptions, listener })
  const asking = producer.request({ topic: 'prices', body: 'apples' }).catch((error: unknown) => error)
  await mq.clock.rest()
  await using reopened = await mq.crash()
  expect(await asking).toEqual(mqError('CLOSED', 'crashed'))
  await expect(request!.reply('x')).rejects.toEqual(mqError('CLOSED', 'crashed'))
  await expect(producer.request({ topic: 'prices', body: 'more' })).rejects.toEqual(mqError('CLOSED'))
  expect(reopened.ledger.of('replied')).toEqual([])
})

test('Requests and replies bear a nasty schedule', async () => {
  const mq = await open({ schedule: 'nasty', seed: 7, topics: [{ topic: 'prices', queues: 4 }] })
  const producer = await mq.createProducer({ group: 'shop' })
  const listener = async (message: MessageView) => void (await message.reply(message.text().toUpperCase()))
  await mq.createPushConsumer({ group: 'clerks', subscriptions, listener })
  const bodies = Array.from({ length: 50 }, (_, index) => `q${index}`)
  const asking = Promise.all(
    bodies.map((body) => producer.request({ topic: 'prices', body }, { timeoutMs: 600_000 })),
  )
  const replies = await mq.clock.runUntil(asking)
  expect(replies.map((reply) => reply.text())).toEqual(bodies.map((body) => body.toUpperCase()))
})
