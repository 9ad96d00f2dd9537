import { expect, test } from 'vitest'
import { Admin } from '../../src/admin/admin.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const order = { topic: 'orders', body: 'x' }

test.each([0, 5, 9])('The priority %i is kept, and shown as a field', async (priority) => {
  const host = await openShop()
  const producer = await host.producer()
  await producer.send({ ...order, priority, properties: { region: 'eu' } })
  await producer.send([{ ...order, priority }, order])
  const messages = await Promise.all([0, 1, 2].map((offset) => host.broker.viewMessage(host.queue(), offset)))
  expect(messages.map((message) => message.priority)).toEqual([priority, priority, undefined])
  expect(messages[0]?.properties).toEqual({ region: 'eu' })
  expect(JSON.parse(JSON.stringify(messages[0]))).toMatchObject({ priority })
})

test('A priority is the same in retries, dead letters and what is sent again', async () => {
  const host = await openShop()
  const producer = await host.producer()
  await producer.send({ ...order, priority: 7 })
  const seen: (number | undefined)[] = []
  await host.consumer({
    maxReconsumeTimes: 1,
    listener: (message) => {
      seen.push(message.priority)
      return 'FAILURE'
    },
  })
  await host.clock.advance(60_000)
  const letter = await host.broker.viewMessage(host.queue('%DLQ%billing'), 0)
  expect([...seen, letter.priority]).toEqual([7, 7, 7])
  await new Admin(host).resendDeadLetter('billing', letter)
  expect((await host.broker.viewMessage(host.queue(), 1)).priority).toBe(7)
})

test('A priority changes no order in an ordinary topic', async () => {
  const host = await openShop()
  const producer = await host.producer()
  for (const priority of [1, 9, 5]) await producer.send({ ...order, body: `${priority}`, priority })
  const texts: string[] = []
  await host.consumer({ concurrency: 1, listener: (message) => void texts.push(message.text()) })
  await host.clock.settle()
  expect(texts).toEqual(['1', '9', '5'])
})

test.each<[string, object, string]>([
  ['above 9', { priority: 10 }, '0 to 9'],
  ['below 0', { priority: -1 }, '0 to 9'],
  ['with a fraction', { priority: 1.5 }, '0 to 9'],
  ['that is a text', { priority: '5' }, '0 to 9'],
  ['with a messageGroup', { priority: 5, messageGroup: 'g' }, 'messageGroup'],
  ['with a delay', { priority: 5, delayTimeLevel: 1 }, 'delayed'],
  ['as a property', { properties: { _SYS_MSG_PRIORITY_: '5' } }, 'reserved'],
])('A priority is refused %s', async (_, fields, text) => {
  const host = await openShop()
  const producer = await host.producer()
  await expect(producer.send({ ...order, ...fields } as typeof order)).rejects.toEqual(
    mqError('MESSAGE_ILLEGAL', text),
  )
})

test('A priority is refused for the message of a transaction', async () => {
  const host = await openShop()
  const producer = await host.producer({ transactionChecker: () => 'UNKNOWN' })
  const transaction = producer.beginTransaction()
  await expect(producer.send({ ...order, priority: 1 }, { transaction })).rejects.toEqual(
    mqError('MESSAGE_ILLEGAL', 'priority'),
  )
})
