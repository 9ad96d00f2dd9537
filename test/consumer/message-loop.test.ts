/** `for await` over a lite pull consumer. */
import { describe, expect, test, vi } from 'vitest'
import type { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.ts'
import { LiteQueue } from '../../src/consumer/lite-queue.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const numbers = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => String(from + i))

/** Runs a loop; its body may take its time. */
async function loop(
  consumer: LitePullConsumer,
  seen: string[],
  body: (text: string) => unknown = () => undefined,
  signal?: AbortSignal,
): Promise<string> {
  for await (const message of consumer.messages({ signal })) {
    seen.push(message.text())
    await body(message.text())
  }
  return 'ended'
}

describe('A loop over messages', () => {
  test('gets what is there and what comes, in order, and ends when the consumer closes', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(25))
    const seen: string[] = []
    const looping = loop(consumer, seen)
    await host.clock.settle()
    await host.send(numbers(5, 25))
    await host.clock.settle()
    expect(seen).toEqual(numbers(30))
    await consumer.close()
    expect(await looping).toBe('ended')
  })

  test('may be written over the consumer itself', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(3))
    const seen: string[] = []
    for await (const message of consumer) {
      seen.push(message.text())
      if (seen.length === 3) await consumer.close()
    }
    expect(seen).toEqual(numbers(3))
  })

  test('ends at once over a consumer that is closed', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await consumer.close()
    expect(await loop(consumer, [])).toBe('ended')
  })

  test('commits a message when it comes back for the next one, and not before', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(5))
    const gates = numbers(5).map(() => new Signal())
    const looping = loop(consumer, [], (text) => gates[Number(text)]?.promise)
    await host.clock.settle()
    expect(await host.offset()).toBeUndefined()
    gates[0]?.resolve()
    gates[1]?.resolve()
    await host.clock.settle()
    expect(await host.offset()).toBe(2)
    await consumer.close()
    expect(await host.offset()).toBe(2)
    gates[2]?.resolve()
    await looping
    expect(await host.offset()).toBe(2)
  })

  test('commits nothing by itself when it is told so, and what commit is told, also the message that its body has', async () => {
    const host = await openShop()
    const consumer = await host.lite({ autoCommit: false })
    await host.send(numbers(5))
    const looping = loop(consumer, [], (text) => (text === '2' ? consumer.commit() : undefined))
    await host.clock.settle()
    expect(await host.offset()).toBe(3)
    await consumer.close()
    await looping
    expect(await host.offset()).toBe(3)
  })

  test('stops the fetching while its body is busy, and lets it go on', async () => {
    const host = await openShop(2)
    const requested: number[] = []
    host.replace({
      pullMessage: (request) => {
        requested.push(request.maxCount)
        return host.broker.pullMessage(request)
      },
    })
    for (const queueId of [0, 1]) await host.send(numbers(500, queueId * 500), {}, queueId)
    const consumer = await host.lite({ pullThresholdForAll: 40 })
    const gate = new Signal()
    const seen: string[] = []
    const looping = loop(consumer, seen, () => gate.promise)
    await host.clock.advance(60_000)
    expect(seen).toHaveLength(1)
    expect(requested.length).toBeLessThanOrEqual(6)
    gate.resolve()
    await host.clock.settle()
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(1000))
    await consumer.close()
    await looping
  })

  test('ends with its signal while it waits, and the consumer goes on', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const controller = new AbortController()
    const looping = loop(consumer, [], undefined, controller.signal)
    await host.clock.settle()
    controller.abort()
    expect(await looping).toBe('ended')
    await host.send(['a'])
    expect((await consumer.poll()).map((message) => message.text())).toEqual(['a'])
  })

  test('that its signal ends while the body is busy has finished that message', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const controller = new AbortController()
    await host.send(numbers(5))
    const seen: string[] = []
    const body = (text: string): void => {
      if (text === '1') controller.abort()
    }
    expect(await loop(consumer, seen, body, controller.signal)).toBe('ended')
    await host.clock.settle()
    expect(seen).toEqual(['0', '1'])
    expect(await host.offset()).toBe(2)
  })

  test('that is left counts its message as returned by a poll: done when the application comes back', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(6))
    for await (const message of consumer) if (message.text() === '2') break
    await host.clock.settle()
    expect(await host.offset()).toBe(2)
    const seen: string[] = []
    for await (const message of consumer) {
      seen.push(message.text())
      if (message.text() === '4') break
    }
    await host.clock.settle()
    expect(seen).toEqual(['3', '4'])
    expect(await host.offset()).toBe(4)
    await consumer.close()
    const next = await host.lite()
    expect((await next.poll()).map((message) => message.text())).toEqual(['4', '5'])
  })

  test('that throws lets its error out, and its message comes again after a restart', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(3))
    const body = (text: string): void => {
      if (text === '1') throw new Error('a bug of the application')
    }
    await expect(loop(consumer, [], body)).rejects.toThrow('a bug of the application')
    await consumer.close()
    expect(await host.offset()).toBe(1)
  })

  test('may close the consumer from its body and wait for that', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(3))
    const seen: string[] = []
    expect(await loop(consumer, seen, () => consumer.close())).toBe('ended')
    expect(seen).toEqual(['0'])
    expect(await host.offset()).toBeUndefined()
  })

  test('may hang for ever; closing does not wait for it', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(3))
    void loop(consumer, [], () => new Promise(() => undefined))
    await host.clock.settle()
    await consumer.close()
    const next = await host.lite()
    expect((await next.poll()).map((message) => message.text())).toEqual(numbers(3))
  })

  test('beside others shares the messages, and one that is slow keeps its own from being committed', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(10))
    const gate = new Signal()
    const slow: string[] = []
    const quick: string[] = []
    const loops = [loop(consumer, slow, () => gate.promise), loop(consumer, quick)]
    await host.clock.settle()
    expect(slow).toEqual(['0'])
    expect(quick).toEqual(numbers(9, 1))
    expect(await host.offset()).toBeUndefined()
    gate.resolve()
    await host.clock.settle()
    expect(await host.offset()).toBe(10)
    await consumer.close()
    await Promise.all(loops)
  })

  test('asked for several messages at a time gives each one once', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const messages = consumer.messages()
    const results = [messages.next(), messages.next(), messages.next()]
    await host.send(['a', 'b'])
    await host.clock.settle()
    await consumer.close()
    expect((await Promise.all(results)).map(({ value, done }) => (done ? 'done' : value.text()))).toEqual([
      'a',
      'b',
      'done',
    ])
    expect(await messages.next()).toEqual({ done: true, value: undefined })
  })

  test('waits for nothing when there is a message, and lets nobody else wait for it', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 1 })
    const messages = consumer.messages()
    const first = messages.next()
    await host.send(numbers(3))
    await host.clock.settle()
    expect((await first).value?.text()).toBe('0')
    let text: string | undefined
    void messages.next().then(({ value }) => {
      text = value?.text()
    })
    await undefined
    expect(text).toBe('1')
    await messages.next()
    const poll = consumer.poll()
    const next = messages.next()
    await host.send(numbers(2, 3))
    expect((await poll).map((message) => message.text())).toEqual(['3'])
    expect((await next).value?.text()).toBe('4')
  })

  test('that is left while it waits swallows nothing, and commits go on', async () => {
    const host = await openShop()
    const consumer = await host.lite({ autoCommitIntervalMs: 1000 })
    const messages = consumer.messages()
    const waiting = [messages.next(), messages.next()]
    await host.clock.settle()
    expect(await messages.return?.()).toEqual({ done: true, value: undefined })
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => ({ done: true, value: undefined })))
    await host.send(['a', 'b'])
    await host.clock.settle()
    expect((await consumer.poll({ timeoutMs: 0 })).map((message) => message.text())).toEqual(['a', 'b'])
    await host.clock.advance(1000)
    await consumer.poll({ timeoutMs: 0 })
    await host.clock.settle()
    expect(await host.offset()).toBe(2)
  })

  test('that is left while a message is on its way gives it, as one that it left', async () => {
    const host = await openShop()
    const consumer = await host.lite({ autoCommitIntervalMs: 1000 })
    const messages = consumer.messages()
    const waiting = messages.next()
    await host.clock.settle()
    // Behind the message, and before the loop that waits for it.
    const take = vi.spyOn(LiteQueue.prototype, 'take').mockImplementationOnce(function (
      this: LiteQueue,
      maxCount,
    ) {
      take.mockRestore()
      const handout = this.take(maxCount)
      queueMicrotask(() => void messages.return?.())
      return handout
    })
    await host.send(['a'])
    await host.clock.settle()
    expect((await waiting).value?.text()).toBe('a')
    await host.clock.settle()
    expect(await host.offset()).toBeUndefined()
    await host.clock.advance(1000)
    await consumer.poll({ timeoutMs: 0 })
    await host.clock.settle()
    expect(await host.offset()).toBe(1)
    expect(await messages.next()).toEqual({ done: true, value: undefined })
  })

  test('leaves turns of the event loop to others, though there is always something', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullThresholdForQueue: 5000, consumeMaxSpan: 5000 })
    await host.send(numbers(4000))
    await host.clock.settle()
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    let count = 0
    for await (const _ of consumer) if (++count === 4000) break
    isDone = true
    expect(turns).toBeGreaterThanOrEqual(3)
  })

  test('fails when the engine is gone', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const looping = loop(consumer, [])
    await host.clock.settle()
    const failed = expect(looping).rejects.toEqual(mqError('CLOSED'))
    await host.broker.close()
    await failed
  })

  test('follows a seek that comes while its body is busy', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(5))
    const seen: string[] = []
    const looping = loop(consumer, seen, (text) =>
      text === '1' && seen.length < 3 ? consumer.seek(host.queue(), 0) : undefined,
    )
    await host.clock.settle()
    expect(seen).toEqual(['0', '1', '0', '1', '2', '3', '4'])
    expect(await host.offset()).toBe(5)
    await consumer.close()
    await looping
  })

  test.each<[string, unknown]>([
    ['an unknown option', { timeoutMs: 5 }],
    ['a signal that is none', { signal: 'now' }],
  ])('is refused with %s', async (_, options) => {
    const host = await openShop()
    const consumer = await host.lite()
    expect(() => consumer.messages(options as object)).toThrow(mqError('INVALID_PARAMETER') as Error)
  })
})
