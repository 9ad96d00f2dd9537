/** Lite pull consumers of a group that share its queues, and hand them over. */
import { describe, expect, test } from 'vitest'
import type { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.ts'
import type { LitePullConsumerOptions } from '../../src/consumer/lite-pull-consumer-options.ts'
import type { MessageView } from '../../src/model/message.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { createTestMQ } from '../../src/testing/test-mq.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const NOW = { timeoutMs: 0 }

const numbers = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => String(from + i))

const held = (consumer: LitePullConsumer): number[] => consumer.assignment().map(({ queueId }) => queueId)

async function poll(consumer: LitePullConsumer): Promise<string[]> {
  return (await consumer.poll(NOW)).map((message) => message.text())
}

/** Member `a` has both queues, each with 20 messages, and has polled once: messages 0 to 9 of queue 1. */
async function withOneBusy(options: Partial<LitePullConsumerOptions> = {}) {
  const host = await openShop(2)
  await host.send(numbers(20), {}, 1)
  const a = await host.lite({ clientId: 'a', ...options })
  await host.clock.settle()
  expect(await poll(a)).toEqual(numbers(10))
  return { host, a }
}

async function join(
  host: ClientHost,
  options: Partial<LitePullConsumerOptions> = {},
): Promise<LitePullConsumer> {
  const b = await host.lite({ clientId: 'b', ...options })
  await host.clock.settle()
  return b
}

describe('A queue that goes to another member', () => {
  test('goes when the application polls again: nothing is skipped and nothing repeated', async () => {
    const { host, a } = await withOneBusy()
    const b = await join(host)
    expect([held(a), held(b)]).toEqual([[0], []])
    expect(await poll(a)).toEqual([])
    await host.clock.settle()
    expect(held(b)).toEqual([1])
    expect(await poll(b)).toEqual(numbers(10, 10))
    expect(await host.offset(1)).toBe(10)
  })

  test('goes when the application commits', async () => {
    const { host, a } = await withOneBusy({ autoCommit: false })
    const b = await join(host, { autoCommit: false })
    await a.commit()
    await host.clock.settle()
    expect(await poll(b)).toEqual(numbers(10, 10))
  })

  test('goes when the application polls again although it commits nothing, and is repeated then', async () => {
    const { host, a } = await withOneBusy({ autoCommit: false })
    const b = await join(host)
    await poll(a)
    await host.clock.settle()
    expect(await poll(b)).toEqual(numbers(10))
  })

  test('waits for the body of a loop', async () => {
    const host = await openShop(2)
    await host.send(numbers(20), {}, 1)
    const a = await host.lite({ clientId: 'a' })
    const messages = a.messages()
    expect((await messages.next()).value?.text()).toBe('0')
    const b = await join(host)
    expect(held(b)).toEqual([])
    const next = messages.next()
    await host.clock.settle()
    expect(await poll(b)).toEqual(numbers(10, 1))
    await a.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('goes at once when the member closes, and what it had not come back from is repeated', async () => {
    const { host, a } = await withOneBusy()
    const b = await join(host)
    await a.close()
    await host.clock.settle()
    expect(held(b)).toEqual([0, 1])
    expect(await poll(b)).toEqual(numbers(10))
  })

  test('goes after handOverTimeoutMs when the application does not come back, and is repeated', async () => {
    const { host, a } = await withOneBusy({ handOverTimeoutMs: 3000 })
    const b = await join(host)
    await host.clock.advance(2999)
    expect(held(b)).toEqual([])
    await host.clock.advance(1)
    expect(held(b)).toEqual([1])
    expect(await poll(b)).toEqual(numbers(10))
    // What comes back late changes nothing for the new owner.
    await poll(a)
    await a.commit()
    await host.clock.settle()
    expect(await host.offset(1)).toBeUndefined()
  })

  test('leaves its room to the queues that stay, also when what was taken of it is finished late', async () => {
    const host = await openShop(2)
    await host.send(numbers(20), {}, 1)
    const a = await host.lite({ clientId: 'a', handOverTimeoutMs: 1000, pullThresholdForAll: 5 })
    const messages = a.messages()
    await messages.next()
    await join(host)
    await host.clock.advance(1000)
    const next = messages.next()
    await host.send(['x'], {}, 0)
    expect((await next).value?.text()).toBe('x')
    const last = messages.next()
    await host.send(['y'], {}, 0)
    await host.clock.settle()
    await a.close()
    expect((await last).value?.text()).toBe('y')
  })

  test('is taken back when the other one leaves before it got it', async () => {
    const { host, a } = await withOneBusy()
    const b = await join(host)
    await b.close()
    await host.clock.settle()
    expect(held(a)).toEqual([0])
    expect(await poll(a)).toEqual([])
    await host.clock.settle()
    expect(held(a)).toEqual([0, 1])
    expect(await poll(a)).toEqual(numbers(10, 10))
  })

  test('cannot be sought or paused any more', async () => {
    const { host, a } = await withOneBusy()
    await join(host)
    await expect(a.seek(host.queue('orders', 1), 0)).rejects.toThrow('may be changing hands')
    expect(() => a.pause([host.queue('orders', 1)])).toThrow('changing hands')
  })

  test('takes the offset along that was sought', async () => {
    const { host, a } = await withOneBusy()
    await a.seek(host.queue('orders', 1), 15)
    await poll(a)
    const b = await join(host)
    expect(await poll(b)).toEqual(numbers(5, 15))
  })

  test('goes to a push consumer, and comes from one, as exactly', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    const push = await host.consumer({
      clientId: 'a',
      listener: (message) => void seen.push(message.text()),
    })
    await host.send(numbers(5), {}, 1)
    await host.clock.settle()
    const b = await join(host)
    expect(held(b)).toEqual([1])
    await host.send(numbers(5, 5), {}, 1)
    await host.clock.settle()
    expect(await poll(b)).toEqual(numbers(5, 5))
    await b.commit()
    await b.close()
    await host.send(numbers(5, 10), {}, 1)
    await host.clock.settle()
    expect(seen).toEqual([...numbers(5), ...numbers(5, 10)])
    await push.close()
  })
})

describe('A member that lost its lease', () => {
  test('commits nothing more for the queue, and takes it again when it can', async () => {
    const { host, a } = await withOneBusy()
    host.replace({ lockQueues: async () => [] })
    await host.clock.advance(20_000)
    expect(held(a)).toEqual([])
    await poll(a)
    await a.commit()
    await host.clock.settle()
    expect(await host.offset(1)).toBeUndefined()
    host.restore('lockQueues')
    await host.broker.unlockQueues('billing', 'a', [host.queue('orders', 1)])
    await host.clock.settle()
    expect(await poll(a)).toEqual(numbers(10))
  })
})

describe('Members that come and go while messages are sent', () => {
  const seeds = [1, 2, 3, 4, 5, 6]

  test.each(seeds)('poll each message exactly once, seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    const host = await openShop(4)
    const seen: string[] = []
    const members: LitePullConsumer[] = []
    let sent = 0
    for (let step = 0; step < 120; step++) {
      const dice = random.next()
      if (dice < 0.1 && members.length < 4)
        members.push(await host.lite({ pullBatchSize: 1 + random.below(7) }))
      else if (dice < 0.16 && members.length > 1)
        await leave(members.splice(random.below(members.length), 1)[0]!)
      else if (dice < 0.5) await send()
      else if (members.length > 0) seen.push(...(await poll(random.pick(members))))
      if (random.chance(0.5)) await host.clock.settle()
    }
    if (members.length === 0) members.push(await host.lite())
    await finish()
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(sent))

    async function send(): Promise<void> {
      const count = 1 + random.below(20)
      await host.send(numbers(count, sent), {}, random.below(4))
      sent += count
    }

    /** An application that is done commits before it leaves. */
    async function leave(member: LitePullConsumer): Promise<void> {
      await member.commit()
      await member.close()
    }

    async function finish(): Promise<void> {
      for (let idle = 0; idle < 5; idle++) {
        await host.clock.settle()
        for (const member of members) {
          const texts = await poll(member)
          if (texts.length > 0) idle = 0
          seen.push(...texts)
        }
      }
    }
  })
})

describe('After a crash', () => {
  test('comes again what no poll had come back from, and nothing that was committed', async () => {
    const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send(numbers(30).map((body) => ({ topic: 'orders', body })))
    const before = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    expect((await before.poll()).map((message) => message.text())).toEqual(numbers(10))
    await before.commit()
    expect((await before.poll()).map((message) => message.text())).toEqual(numbers(10, 10))
    const waiting = before.poll({ timeoutMs: 60_000 })
    void waiting.catch(() => undefined)
    const reopened = await mq.crash()
    const after = await reopened.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    expect((await after.poll()).map((message) => message.text())).toEqual(numbers(10, 10))
    expect((await after.poll()).map((message) => message.text())).toEqual(numbers(10, 20))
    await reopened.close()
  })

  test('a loop goes on with the message that its body had', async () => {
    const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send(numbers(10).map((body) => ({ topic: 'orders', body })))
    const before = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    const messages = before.messages()
    for (let i = 0; i < 5; i++) await messages.next()
    await mq.clock.rest()
    const reopened = await mq.crash()
    await expect(before.poll()).rejects.toMatchObject({ code: 'CLOSED' })
    const after = await reopened.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    expect((await after.poll()).map((message) => message.text())).toEqual(numbers(6, 4))
    await reopened.close()
  })

  test.each([
    ['of no topic that exists', []],
    ['of a topic whose queues another member has', [{ topic: 'orders', queues: 1 }]],
  ])('who has no queue is told all the same, %s', async (_, topics) => {
    const mq = await createTestMQ({ topics })
    const join = () => mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    if (topics.length > 0) await join()
    const [polling, looping, idle, closed] = [await join(), await join(), await join(), await join()]
    await closed.close()
    await mq.clock.rest()
    const waits = [polling.poll(), looping.messages().next()].map((waiting) =>
      expect(waiting).rejects.toEqual(mqError('CLOSED', 'crash')),
    )
    await using _reopened = await mq.crash()
    await Promise.all(waits)
    await expect(idle.poll()).rejects.toEqual(mqError('CLOSED', 'crash'))
    await expect(idle.messages().next()).rejects.toEqual(mqError('CLOSED', 'crash'))
    expect(await closed.messages().next()).toEqual({ done: true, value: undefined })
  })

  test.each([11, 12, 13, 14])(
    'nothing is lost and nothing that was committed is repeated, seed %i',
    async (seed) => {
      const random = new SeededRandom(seed)
      const seen = new Set<string>()
      const seenInLife = new Set<string>()
      const committed = new Set<string>()
      const repeated: string[] = []
      let sent = 0
      let mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 3 }] })
      for (let life = 0; life < 6; life++) {
        seenInLife.clear()
        const producer = await mq.createProducer({ group: 'shop' })
        const consumer = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
        for (let step = 0; step < 25; step++) {
          const dice = random.next()
          if (dice < 0.3) await producer.send({ topic: 'orders', body: String(sent++) })
          else if (dice < 0.4) await mq.clock.advance(random.below(6000))
          else if (dice < 0.55) await commit(consumer)
          else note(await consumer.poll(NOW))
        }
        mq = await mq.crash(random.chance(0.5) ? 'kill' : 'power')
      }
      const last = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
      for (;;) {
        await mq.clock.rest()
        const messages = await last.poll(NOW)
        if (messages.length === 0) break
        note(messages)
      }
      const stored = (await mq.admin.browse('orders', { max: 10_000 })).map((message) => message.text())
      expect(stored.filter((text) => !seen.has(text))).toEqual([])
      expect(repeated).toEqual([])
      await mq.close()

      function note(messages: readonly MessageView[]): void {
        for (const message of messages) {
          const text = message.text()
          seen.add(text)
          seenInLife.add(text)
          if (committed.has(text)) repeated.push(text)
        }
      }

      /** What a power cut may take back does not count as committed before it is flushed. */
      async function commit(consumer: LitePullConsumer): Promise<void> {
        await consumer.commit()
        await mq.admin.flush()
        for (const text of seenInLife) committed.add(text)
      }
    },
  )
})
