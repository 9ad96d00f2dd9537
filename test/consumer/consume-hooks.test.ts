import { describe, expect, test } from 'vitest'
import type { ConsumeHook } from '../../src/consumer/consume-hooks.ts'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

/** A hook that notes what it is told, as one line each. */
function noting(lines: string[], name: string): ConsumeHook {
  return {
    name,
    before: ({ group, clientId, queue, messages }) => {
      const texts = messages.map((message) => message.text()).join('')
      lines.push(`${name} before ${group} ${clientId} ${queue.topic}@${queue.queueId} ${texts}`)
    },
    after: (_, { status, reason, durationMs }) => {
      lines.push(`${name} after ${status} ${durationMs} ${reason ?? '-'}`)
    },
  }
}

describe('Consume hooks', () => {
  test('are called around each call of the listener, in their order', async () => {
    const host = await openShop()
    const lines: string[] = []
    await host.consumer({
      clientId: 'a',
      consumeHooks: [noting(lines, 'first'), noting(lines, 'second')],
      listener: () => void lines.push('listener'),
    })
    await host.send(['x'])
    await host.clock.settle()
    expect(lines).toEqual([
      'first before billing a orders@0 x',
      'second before billing a orders@0 x',
      'listener',
      'first after SUCCESS 0 -',
      'second after SUCCESS 0 -',
    ])
  })

  test.each([
    ['FAILED', () => ConsumeResult.FAILURE, 'The listener returned FAILURE.'],
    ['EXCEPTION', () => Promise.reject(new Error('no')), 'Error: no'],
    ['SUCCESS', () => ConsumeResult.SUCCESS, undefined],
  ])('learn that it ended with %s', async (status, listener, reason) => {
    const host = await openShop()
    const outcomes: unknown[] = []
    const consumeHooks = [{ after: (_context: unknown, outcome: unknown) => void outcomes.push(outcome) }]
    await host.consumer({ consumeHooks, listener })
    await host.send(['x'])
    await host.clock.settle()
    expect(outcomes).toEqual([{ status, reason, durationMs: 0 }])
  })

  test.each(['concurrent', 'orderly'] as const)(
    'learn once that it took too long, and how long, %s',
    async (mode) => {
      const host = await openShop()
      const gate = new Signal()
      const outcomes: unknown[] = []
      await host.consumer({
        mode,
        consumeTimeoutMs: 1000,
        consumeHooks: [{ after: (_, { status, durationMs }) => void outcomes.push([status, durationMs]) }],
        listener: () => gate.promise,
      })
      await host.send(['x'])
      await host.clock.advance(1500)
      gate.resolve()
      await host.clock.settle()
      expect(outcomes).toEqual([['TIME_OUT', mode === 'orderly' ? 1500 : 1000]])
    },
  )

  test('learn of a call that a closing consumer does not wait for', async () => {
    const host = await openShop()
    const outcomes: string[] = []
    const consumer = await host.consumer({
      closeTimeoutMs: 100,
      consumeHooks: [{ after: (_, { status, reason }) => void outcomes.push(`${status} ${reason}`) }],
      listener: () => new Promise(() => undefined),
    })
    await host.send(['x'])
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.advance(100)
    await closing
    expect(outcomes).toEqual([expect.stringMatching(/^TIME_OUT The consumer of 'billing' closed/)])
  })

  test('get the same context before and after, and the messages of a batch together', async () => {
    const host = await openShop()
    await host.send(['a', 'b'])
    const carried = new WeakMap<object, string>()
    const found: unknown[] = []
    await host.consumer({
      consumeMessageBatchMaxSize: 5,
      consumeHooks: [
        {
          before: (context) =>
            carried.set(context, context.messages.map((message) => message.text()).join('')),
          after: (context) => void found.push(carried.get(context)),
        },
      ],
      listener: () => undefined,
    })
    await host.clock.settle()
    expect(found).toEqual(['ab'])
  })

  test.each<[string, ConsumeHook]>([
    [
      'throws before',
      {
        before: () => {
          throw new Error('broken')
        },
      },
    ],
    [
      'throws after',
      {
        after: () => {
          throw new Error('broken')
        },
      },
    ],
    ['rejects', { before: () => Promise.reject(new Error('broken')) as unknown as undefined }],
    [
      'meddles with what it is told',
      {
        before: (context) => {
          ;(context as { group: string }).group = 'another'
        },
      },
    ],
  ])('change nothing when one %s', async (_, hook) => {
    const host = await openShop()
    const lines: string[] = []
    const consumer = await host.consumer({
      consumeHooks: [hook, noting(lines, 'sound')],
      listener: () => undefined,
    })
    await host.send(['x'])
    await host.clock.settle()
    expect(lines).toHaveLength(2)
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 0 })
    expect(host.events('error')).toEqual([
      mqError('SYSTEM_ERROR', "The consume hook 'hook' of 'billing' failed"),
    ])
  })
})
