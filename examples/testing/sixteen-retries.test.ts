/** A failing message goes through all 16 retries into the dead-letter queue: four hours and 45 minutes, in milliseconds. */
import { createTestMQ } from 'pocketmq/testing'
import { expect, test } from 'vitest'

/** RocketMQ's intervals: levels 3 to 18 of its delay table. */
const INTERVALS = [
  '10s',
  '30s',
  '1m',
  '2m',
  '3m',
  '4m',
  '5m',
  '6m',
  '7m',
  '8m',
  '9m',
  '10m',
  '20m',
  '30m',
  '1h',
  '2h',
]
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000 }
const toMs = (text: string): number => Number.parseInt(text, 10) * (UNIT_MS[text.at(-1) ?? ''] ?? Number.NaN)

test('A message that failed once comes again after ten seconds', async () => {
  await using mq = await createTestMQ()
  const attempts: number[] = []
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: (_, { deliveryAttempt }) => {
      attempts.push(deliveryAttempt)
      if (deliveryAttempt === 1) throw new Error('the bank does not answer')
    },
  })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'order 1' })

  await mq.clock.advance('9s')
  expect(attempts).toEqual([1])
  await mq.clock.advance('1s')
  expect(attempts).toEqual([1, 2])
})

test('A message that always fails is retried at the intervals of the table and ends as a dead letter', async () => {
  await using mq = await createTestMQ()
  const deliveredAt: number[] = []
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: () => {
      deliveredAt.push(mq.clock.now())
      throw new Error('the card was refused')
    },
  })
  const producer = await mq.createProducer({ group: 'shop' })

  const begin = performance.now()
  await producer.send({ topic: 'orders', body: 'order 1' })
  await mq.settled({ horizon: '5h' })
  console.log(`16 retries in ${(performance.now() - begin).toFixed(1)} ms of real time`)

  const waits = deliveredAt.slice(1).map((timestamp, index) => timestamp - (deliveredAt[index] ?? 0))
  expect(waits).toEqual(INTERVALS.map(toMs))
  const [deadLetter] = mq.ledger.of('dead-lettered')
  expect(deadLetter).toMatchObject({
    group: 'billing',
    reconsumeTimes: 17,
    reason: expect.stringContaining('refused'),
  })
  expect(await mq.admin.deadLetters('billing')).toHaveLength(1)
})
