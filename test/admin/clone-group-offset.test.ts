import { describe, expect, test } from 'vitest'
import { Admin } from '../../src/admin/admin.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const DAY = 86_400_000
const letters = (text: string): string[] => text.split('')

/** The group `billing` has consumed the first messages of both queues of `orders`. */
async function consumedShop(): Promise<{ host: ClientHost; admin: Admin }> {
  const host = await openShop(2)
  await host.send(letters('abc'), {}, 0)
  await host.send(letters('xy'), {}, 1)
  await host.broker.ensureGroup('billing')
  await host.broker.updateConsumerOffset('billing', host.queue('orders', 0), 2)
  await host.broker.updateConsumerOffset('billing', host.queue('orders', 1), 1)
  return { host, admin: new Admin(host) }
}

describe('cloneGroupOffset', () => {
  test('lets a new group begin where another one is', async () => {
    const { host, admin } = await consumedShop()
    const cloned = await admin.cloneGroupOffset({ srcGroup: 'billing', destGroup: 'copy', topic: 'orders' })
    expect(cloned.map(({ queue, offset }) => [queue.queueId, offset])).toEqual([
      [0, 2],
      [1, 1],
    ])
    const seen: string[] = []
    await host.consumer({ group: 'copy', listener: (message) => void seen.push(message.text()) })
    await host.clock.settle()
    expect(seen.sort()).toEqual(['c', 'y'])
  })

  test.each(['concurrent', 'orderly'] as const)(
    'moves members that run, forward and back, %s',
    async (mode) => {
      const { host, admin } = await consumedShop()
      const seen: string[] = []
      await host.consumer({ group: 'copy', mode, listener: (message) => void seen.push(message.text()) })
      await host.clock.settle()
      seen.length = 0
      await admin.cloneGroupOffset({ srcGroup: 'billing', destGroup: 'copy' })
      await host.clock.settle()
      expect(seen.sort()).toEqual(['c', 'y'])
    },
  )

  test('copies every topic, but for the retry topic of the group, and queues without an offset not at all', async () => {
    const { host, admin } = await consumedShop()
    await host.createTopic('refunds', 2)
    await host.send(['r'], { topic: 'refunds' })
    await host.broker.updateConsumerOffset('billing', host.queue('refunds', 0), 1)
    await host.broker.updateConsumerOffset('billing', host.queue('%RETRY%billing', 0), 0)
    const cloned = await admin.cloneGroupOffset({ srcGroup: 'billing', destGroup: 'copy' })
    expect(cloned.map(({ queue }) => `${queue.topic} ${queue.queueId}`)).toEqual([
      'orders 0',
      'orders 1',
      'refunds 0',
    ])
    expect(await host.offset(0, 'copy', 'refunds')).toBe(1)
  })

  test('lets the copy begin at the oldest message when retention took what comes before', async () => {
    const never = Number.POSITIVE_INFINITY
    const retention = { maxAgeMs: DAY, maxBytes: never, intervalMs: never }
    const host = await openShop(1, { store: { retention } })
    const admin = new Admin(host)
    await host.broker.ensureGroup('billing')
    await host.broker.updateConsumerOffset('billing', host.queue(), 0)
    for (const body of letters('ab')) {
      await host.send([body])
      await host.clock.advance(3 * DAY)
    }
    await host.store.trim()
    expect(await admin.cloneGroupOffset({ srcGroup: 'billing', destGroup: 'copy' })).toEqual([
      { queue: host.queue(), offset: 1 },
    ])
  })

  test.each<[string, object, string, string]>([
    ['a source that does not exist', { srcGroup: 'nobody' }, 'SUBSCRIPTION_GROUP_NOT_EXIST', 'nobody'],
    ['one group for both', { destGroup: 'billing' }, 'INVALID_PARAMETER', 'two groups'],
    ['a group that is no name', { destGroup: 'no spaces' }, 'INVALID_PARAMETER', 'no spaces'],
    ['a topic that does not exist', { topic: 'nowhere' }, 'TOPIC_NOT_EXIST', 'nowhere'],
    ['a misspelt option', { source: 'billing' }, 'INVALID_PARAMETER', 'source'],
  ])('refuses %s', async (_, options, code, text) => {
    const { admin } = await consumedShop()
    const cloning = admin.cloneGroupOffset({ srcGroup: 'billing', destGroup: 'copy', ...options })
    await expect(cloning).rejects.toEqual(mqError(code as 'INVALID_PARAMETER', text))
  })
})

describe('skipAccumulatedMessage', () => {
  test('skips what a group has not consumed, also while its listener is busy', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    const gate = new Signal()
    const seen: string[] = []
    await host.consumer({
      mode: 'orderly',
      listener: async (message) => {
        seen.push(message.text())
        await gate.promise
      },
    })
    await host.send(letters('abc'))
    await host.clock.settle()
    const skipped = await admin.skipAccumulatedMessage({ group: 'billing', topic: 'orders' })
    expect(skipped).toEqual([{ queue: host.queue(), offset: 3 }])
    await host.send(['d'])
    gate.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['a', 'd'])
    expect(await host.offset()).toBe(4)
  })

  test('leaves retries alone', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    const seen: string[] = []
    await host.consumer({
      listener: (message) => {
        seen.push(message.text())
        if (seen.length === 1) throw new Error('not now')
      },
    })
    await host.send(['a'])
    await host.clock.settle()
    await admin.skipAccumulatedMessage({ group: 'billing', topic: 'orders' })
    await host.clock.advance(10_000)
    expect(seen).toEqual(['a', 'a'])
  })

  test('refuses wrong arguments', async () => {
    const { admin } = await consumedShop()
    await expect(admin.skipAccumulatedMessage({ group: 'billing', topic: 'no spaces' })).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'no spaces'),
    )
    await expect(admin.skipAccumulatedMessage({ group: 'nobody', topic: 'orders' })).rejects.toEqual(
      mqError('SUBSCRIPTION_GROUP_NOT_EXIST'),
    )
  })
})

describe('resetOffset', () => {
  test.each([
    ['orderly', { mode: 'orderly' }],
    ['broadcasting', { messageModel: 'broadcasting', clientId: 'printer' }],
    ['broadcasting orderly', { messageModel: 'broadcasting', mode: 'orderly' }],
  ] as const)('moves %s consumers by time and by offset, back and forward', async (_, options) => {
    const host = await openShop()
    const admin = new Admin(host)
    const seen: string[] = []
    await host.consumer({ ...options, listener: (message) => void seen.push(message.text()) })
    const times: number[] = []
    for (const body of letters('abc')) {
      times.push(host.clock.now())
      await host.send([body])
      await host.clock.advance(1000)
    }
    seen.length = 0
    await admin.resetOffset({ group: 'billing', topic: 'orders', timestamp: times[1] ?? 0 })
    await host.clock.settle()
    expect(seen).toEqual(letters('bc'))
    await admin.resetOffset({ group: 'billing', topic: 'orders', offset: 2, queueId: 0 })
    await host.clock.settle()
    expect(seen).toEqual(letters('bcc'))
    await admin.resetOffset({ group: 'billing', topic: 'orders', offset: 'max' })
    await host.send(['d'])
    await host.clock.settle()
    expect(seen).toEqual(letters('bccd'))
  })
})

describe('forgetConsumer', () => {
  test('forgets a broadcasting member that went', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    const consumer = await host.consumer({
      messageModel: 'broadcasting',
      clientId: 'printer',
      listener: () => undefined,
    })
    await host.send(['a'])
    await host.clock.settle()
    await consumer.close()
    expect((await admin.consumerProgress('billing')).queues).toHaveLength(1)
    await admin.forgetConsumer('billing', 'printer')
    expect((await admin.consumerProgress('billing')).queues).toEqual([])
  })

  test('refuses what is no name', async () => {
    const { admin } = await consumedShop()
    await expect(admin.forgetConsumer('billing', '')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'clientId'),
    )
    await expect(admin.forgetConsumer('billing', 'nobody')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'nobody'),
    )
    await expect(admin.forgetConsumer('nobody', 'x')).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST'))
  })
})
