import { describe, expect, test } from 'vitest'
import { sql } from '../../src/model/sql/sql-filter.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

const ORDERS = [
  { body: '1', tag: 'paid', properties: { region: 'eu', amount: '5' } },
  { body: '2', tag: 'paid', properties: { region: 'eu', amount: '50' } },
  { body: '3', tag: 'open', keys: ['o-3'], properties: { region: 'us', amount: '500' } },
  { body: '4', properties: { region: 'größer', amount: 'many' } },
  { body: '5', keys: ['o-5', 'o-55'] },
]

/** The bodies that reach a group with this filter, in order. */
async function delivered(expression: string, path?: string): Promise<string[]> {
  await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }], path })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send(ORDERS.map((order) => ({ topic: 'orders', ...order })))
  const bodies: string[] = []
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: sql(expression) },
    concurrency: 1,
    listener: (message) => void bodies.push(message.text()),
  })
  await mq.settled()
  const { lag } = await mq.admin.consumerProgress('billing')
  expect(lag).toBe(0)
  return bodies
}

describe('A subscription with an SQL filter', () => {
  test.each([
    ["region = 'eu' AND amount > 10", ['2']],
    ['amount BETWEEN 5 AND 50', ['1', '2']],
    ["region IN ('us', 'größer')", ['3', '4']],
    ['region IS NULL', ['5']],
    ["TAGS = 'paid'", ['1', '2']],
    ['TAGS IS NULL', ['4', '5']],
    ["KEYS = 'o-5 o-55'", ['5']],
    ["KEYS CONTAINS 'o-3'", ['3']],
    ['UNIQ_KEY IS NOT NULL', ['1', '2', '3', '4', '5']],
    ["nothing = 'there'", []],
  ])('delivers by %s the messages %j', async (expression, bodies) => {
    expect(await delivered(expression)).toEqual(bodies)
  })

  test('lets retries through as they are', async () => {
    await using mq = await createTestMQ()
    const attempts: number[] = []
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: sql('amount > 10') },
      listener: ({ deliveryAttempt }) => {
        attempts.push(deliveryAttempt)
        if (deliveryAttempt === 1) throw new Error('once')
      },
    })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'x', properties: { amount: '11' } })
    await mq.settled({ horizon: '1m' })
    expect(attempts).toEqual([1, 2])
  })

  test('counts as another subscription when its text differs', async () => {
    await using mq = await createTestMQ()
    const warnings: string[] = []
    mq.on('warning', ({ code }) => warnings.push(code))
    const join = (expression: string) =>
      mq.createPushConsumer({
        group: 'billing',
        subscriptions: { orders: sql(expression) },
        listener: () => undefined,
      })
    await join('amount > 10')
    await join('amount > 10')
    expect(warnings).toEqual([])
    await join('amount > 11')
    expect(warnings).toEqual(['SUBSCRIPTION_MISMATCH'])
  })

  test('is advised to whoever writes SQL where tags belong', async () => {
    await using mq = await createTestMQ()
    const joining = mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: 'amount > 10' },
      listener: () => undefined,
    })
    await expect(joining).rejects.toEqual(mqError('SUBSCRIPTION_PARSE_FAILED', 'sql("...")'))
  })
})
