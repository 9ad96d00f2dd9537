import { describe, expect, test } from 'vitest'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { schemaOf } from '../helpers/schemas.ts'

/** A message to read, by a schema that never answers about it; of another it says at once that it is good. */
async function open() {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send([
    { topic: 'orders', body: '"hangs"' },
    { topic: 'orders', body: '"good"' },
  ])
  const schema = schemaOf<string>((value) =>
    value === 'hangs' ? new Promise(() => undefined) : { value: value as string },
  )
  const topics = [defineTopic({ name: 'orders', schema })] as const
  return { mq, topics }
}

const unanswered = mqError('INVALID_PARAMETER', 'had not answered')

/** Messages of which the first has no value. */
function expectNoFirstValue(messages: readonly { readonly value: string }[]): void {
  expect(messages).toHaveLength(2)
  const [first, second] = messages
  expect(() => first!.value).toThrow(unanswered)
  expect(second!.value).toBe('good')
}

describe('A schema that does not answer', () => {
  test('holds a poll up for three seconds; then its message has no value', async () => {
    const { mq, topics } = await open()
    const lite = await mq.createLitePullConsumer({
      group: 'billing',
      topics,
      consumeFromWhere: 'FIRST_OFFSET',
    })
    await lite.subscribe('orders', '*')
    const polling = lite.poll({ timeoutMs: 100 })
    await mq.clock.advance('3s')
    expectNoFirstValue(await polling)
    expect(await lite.poll({ timeoutMs: 0 })).toEqual([])
    await lite.close()
  })

  test('holds a poll up no longer than the consumer is open; what it was to answer comes again', async () => {
    const { mq, topics } = await open()
    const options = { group: 'billing', topics, consumeFromWhere: 'FIRST_OFFSET' } as const
    const lite = await mq.createLitePullConsumer(options)
    await lite.subscribe('orders', '*')
    const polling = lite.poll({ timeoutMs: 100 })
    await mq.clock.rest()
    await lite.close()
    expectNoFirstValue(await polling)
    const next = await mq.createLitePullConsumer(options)
    await next.subscribe('orders', '*')
    const again = next.poll({ timeoutMs: 100 })
    await mq.clock.advance('3s')
    expectNoFirstValue(await again)
  })

  test('does not hold up a loop for ever, nor its end', async () => {
    const { mq, topics } = await open()
    const lite = await mq.createLitePullConsumer({
      group: 'billing',
      topics,
      consumeFromWhere: 'FIRST_OFFSET',
    })
    await lite.subscribe('orders', '*')
    const loop = lite.messages()
    const next = loop.next()
    await mq.clock.advance('3s')
    const { value: message } = await next
    expect(() => message!.value).toThrow(unanswered)
    expect((await loop.next()).value?.value).toBe('good')
    await lite.close()
    expect((await loop.next()).done).toBe(true)
  })

  test('holds a receive up for three seconds, or until the consumer closes', async () => {
    const { mq, topics } = await open()
    const options = { group: 'billing', topics, subscriptions: { orders: '*' } } as const
    const simple = await mq.createSimpleConsumer(options)
    const receiving = simple.receive({ awaitDurationMs: 0, maxMessages: 2, invisibleDurationMs: 10_000 })
    await mq.clock.advance('3s')
    const received = await receiving
    expectNoFirstValue(received)
    await simple.ack(received[1]!)
    await mq.clock.advance('20s')
    const again = simple.receive({ awaitDurationMs: 0, invisibleDurationMs: 10_000 })
    await mq.clock.rest()
    await simple.close()
    expect((await again).map((message) => message.text())).toEqual(['"hangs"'])
  })

  test('counts as time of a pull, which ends with its consumer', async () => {
    const { mq, topics } = await open()
    const pull = await mq.createPullConsumer({ group: 'billing', topics })
    const [queue] = await pull.fetchSubscribeMessageQueues('orders')
    const late = pull.pull(queue!, '*', 0, 2, { timeoutMs: 300 }).catch((error: unknown) => error)
    await mq.clock.advance('300ms')
    expect(await late).toEqual(mqError('PULL_TIMEOUT'))
    const cut = pull.pull(queue!, '*', 0, 2).catch((error: unknown) => error)
    await mq.clock.rest()
    await pull.close()
    expect(await cut).toEqual(mqError('CLOSED'))
  })
})
