import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RateLimit, RateLimiter } from '../../src/consumer/rate-limiter.ts'
import { openShop } from '../helpers/client-host.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

/** Takes as much as is permitted whenever it may; answers when each message was started. */
async function startTimes(limit: RateLimit, totalMs: number): Promise<number[]> {
  const clock = new ManualClock()
  const times: number[] = []
  const startAll = (): void => {
    for (let count = limiter.permits(7); count > 0; count = limiter.permits(7)) {
      limiter.take(count)
      for (let i = 0; i < count; i++) times.push(clock.monotonicMs())
    }
  }
  const limiter = new RateLimiter(limit, clock, startAll)
  startAll()
  await clock.advance(totalMs)
  limiter.stop()
  return times
}

describe('A rate limiter', () => {
  test('permits so many messages, and the next when the oldest is so long ago', async () => {
    const times = await startTimes({ messages: 3, perMs: 100 }, 250)
    expect(times).toEqual([0, 0, 0, 100, 100, 100, 200, 200, 200])
  })

  test('lets no span of time have more, wherever it begins', async () => {
    const clock = new ManualClock()
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.record({ waitMs: fc.nat(40), want: fc.integer({ min: 1, max: 4 }) }), { maxLength: 40 }),
        async (messages, perMs, steps) => {
          const limiter = new RateLimiter({ messages, perMs }, clock, () => undefined)
          const times: number[] = []
          for (const { waitMs, want } of steps) {
            await clock.advance(waitMs)
            const count = limiter.permits(want)
            limiter.take(count)
            for (let i = 0; i < count; i++) times.push(clock.monotonicMs())
          }
          limiter.stop()
          for (const from of times) {
            expect(times.filter((time) => time >= from && time < from + perMs).length).toBeLessThanOrEqual(
              messages,
            )
          }
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('A consumer with a rate limit', () => {
  test.each(['concurrent', 'orderly'] as const)(
    'hands no more to its listener, and no less, %s',
    async (mode) => {
      const host = await openShop()
      await host.send(numbers(10))
      const seen: number[] = []
      const start = host.clock.now()
      await host.consumer({
        mode,
        rateLimit: { messages: 2, perMs: 1000 },
        listener: () => void seen.push(host.clock.now() - start),
      })
      await host.clock.advance(10_000)
      expect(seen).toEqual([0, 0, 1000, 1000, 2000, 2000, 3000, 3000, 4000, 4000])
      expect(await host.offset()).toBe(10)
    },
  )

  test('counts the messages of a batch', async () => {
    const host = await openShop()
    await host.send(numbers(7))
    const sizes: number[] = []
    await host.consumer({
      consumeMessageBatchMaxSize: 4,
      rateLimit: { messages: 3, perMs: 1000 },
      listener: (messages) => void sizes.push(messages.length),
    })
    await host.clock.advance(5000)
    expect(sizes).toEqual([3, 3, 1])
  })

  test('leaves no timer behind when it closes', async () => {
    const timersAfter = async (options: { rateLimit?: RateLimit }): Promise<number> => {
      const host = await openShop()
      await host.send(numbers(5))
      const consumer = await host.consumer({ ...options, listener: () => undefined })
      await host.clock.settle()
      await consumer.close()
      return host.clock.timerCount
    }
    expect(await timersAfter({ rateLimit: { messages: 1, perMs: 60_000 } })).toBe(await timersAfter({}))
  })

  test('is bounded for itself: another member has its own', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    for (const clientId of ['a', 'b']) {
      await host.consumer({
        clientId,
        rateLimit: { messages: 1, perMs: 1000 },
        listener: () => void seen.push(clientId),
      })
    }
    await host.send(numbers(3), {}, 0)
    await host.send(numbers(3), {}, 1)
    await host.clock.settle()
    expect(seen.toSorted()).toEqual(['a', 'b'])
  })
})
