import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { AttemptedMessage } from '../../src/consumer/attempted-message.ts'
import type { MessageView } from '../../src/model/message.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'

const FIELDS = [
  'messageId',
  'offsetMessageId',
  'topic',
  'tag',
  'keys',
  'body',
  'properties',
  'queue',
  'queueOffset',
  'bornTimestamp',
  'storeTimestamp',
  'storeSize',
] as const

async function storedMessage(): Promise<{ host: ClientHost; stored: MessageView }> {
  const host = await openShop()
  await host.send(['{"a":1}'], { tag: 'paid', keys: ['o-1', 'c-2'], properties: { region: 'eu' } })
  return { host, stored: await host.broker.viewMessage(host.queue(), 0) }
}

test('A message that failed looks as it is stored, but for its attempts', async () => {
  const { stored } = await storedMessage()
  const failed = AttemptedMessage.failed(AttemptedMessage.failed(stored))
  expect([failed.reconsumeTimes, failed.deliveryAttempt]).toEqual([2, 3])
  for (const field of FIELDS) expect([field, failed[field]]).toEqual([field, stored[field]])
  expect([failed.text(), failed.json()]).toEqual([stored.text(), { a: 1 }])
})

test('A message that failed has every field that a stored one has', async () => {
  const { stored } = await storedMessage()
  const names = (message: object): string[] => {
    const found = new Set<string>()
    for (let each = message; each !== Object.prototype; each = Object.getPrototypeOf(each))
      for (const name of Object.getOwnPropertyNames(each)) found.add(name)
    return [...found].sort()
  }
  const ofTheStoreAlone = ['compression', 'storedBody']
  const shown = names(stored).filter((name) => !ofTheStoreAlone.includes(name))
  expect(names(AttemptedMessage.failed(stored))).toEqual(shown)
})

test('A message that failed shows its attempts when it is printed', async () => {
  const { stored } = await storedMessage()
  const failed = AttemptedMessage.of(stored, 4)
  expect(JSON.parse(JSON.stringify(failed))).toEqual({
    ...JSON.parse(JSON.stringify(stored)),
    reconsumeTimes: 4,
    deliveryAttempt: 5,
  })
  expect(inspect(failed)).toContain('reconsumeTimes: 4')
  expect(inspect(failed)).toContain("topic: 'orders'")
})

test('Attempts in place and retries count on, and a dead letter tells of both', async () => {
  const { host, stored } = await storedMessage()
  await host.broker.ensureGroup('billing')
  const message = AttemptedMessage.of(stored, 6)
  const request = { group: 'billing', message, delayLevel: -1, maxReconsumeTimes: 16, reason: 'no' }
  expect(await host.broker.sendMessageBack(request)).toEqual({ outcome: 'dead-letter', reconsumeTimes: 7 })
  const letter = await host.broker.viewMessage(host.queue('%DLQ%billing'), 0)
  expect([letter.text(), letter.reconsumeTimes, letter.keys]).toEqual(['{"a":1}', 7, ['o-1', 'c-2']])
})
