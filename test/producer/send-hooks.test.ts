import { describe, expect, test } from 'vitest'
import type { SendHook, SendHookContext, SendHookOutcome } from '../../src/producer/send-hooks.ts'
import { openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

/** A hook that notes what it is told, as one line each. */
function noting(lines: string[], name: string): SendHook {
  return {
    name,
    before: ({ group, clientId, kind, queue, messages }) => {
      const bodies = messages.map(({ body }) => body.toString()).join('')
      lines.push(`${name} before ${group} ${clientId} ${kind} ${queue.topic}@${queue.queueId} ${bodies}`)
    },
    after: (_, { receipt, error, durationMs }) => {
      lines.push(`${name} after ${receipt?.queueOffset ?? error?.code} ${durationMs}`)
    },
  }
}

const throwing = (): never => {
  throw new Error('broken')
}

describe('Send hooks', () => {
  test('are called around each send, in their order', async () => {
    const host = await openShop()
    const lines: string[] = []
    const producer = await host.producer({
      clientId: 'till',
      sendHooks: [noting(lines, 'first'), noting(lines, 'second')],
    })
    await producer.send({ topic: 'orders', body: 'x' })
    lines.push('sent')
    expect(lines).toEqual([
      `first before ${producer.group} till NORMAL orders@0 x`,
      `second before ${producer.group} till NORMAL orders@0 x`,
      'first after 0 0',
      'second after 0 0',
      'sent',
    ])
  })

  test('see the message as it is stored, before it is', async () => {
    const host = await openShop()
    const seen: SendHookContext[] = []
    const producer = await host.producer({ sendHooks: [{ before: (context) => void seen.push(context) }] })
    const message = { tag: 'paid', keys: ['o-42', 'c-1'], properties: { region: 'eu' }, messageGroup: 'o-42' }
    const receipt = await producer.send({ topic: 'orders', body: 'a book', ...message })
    const bornTimestamp = host.clock.now()
    const { messageId } = receipt
    expect(seen[0]?.messages[0]).toMatchObject({ ...message, topic: 'orders', messageId, bornTimestamp })
    expect(seen[0]?.messages[0]).toMatchObject({ bodyBytes: 6, body: Buffer.from('a book') })
    await producer.send({ topic: 'orders', body: 'x' })
    expect(seen[1]?.messages[0]).toMatchObject({ tag: undefined, keys: [], properties: {} })
    expect(seen[1]?.messages[0]?.messageGroup).toBeUndefined()
  })

  test('keep what they read of a body when the sender uses its buffer again', async () => {
    const host = await openShop()
    const bodies: string[] = []
    const producer = await host.producer({
      sendHooks: [
        {
          before: ({ messages }) => void bodies.push(messages[0]!.body.toString()),
          after: ({ messages }) => void bodies.push(messages[0]!.body.toString()),
        },
      ],
    })
    const body = Buffer.from('first')
    const sending = producer.send({ topic: 'orders', body })
    body.write('other')
    await sending
    expect(bodies).toEqual(['first', 'first'])
  })

  test('see the messages of a batch together, what is delayed, what is half, one-way sends and requests', async () => {
    const host = await openShop()
    const kinds: string[] = []
    const told: string[] = []
    const producer = await host.producer({
      transactionChecker: () => 'UNKNOWN',
      sendHooks: [
        {
          before: ({ kind, messages }) => void kinds.push(`${kind} ${messages.length}`),
          after: ({ kind }, { receipt }) => void told.push(`${kind} ${receipt?.status}`),
        },
      ],
    })
    const message = { topic: 'orders', body: 'x' }
    await producer.send([message, message])
    await producer.send({ ...message, delayTimeLevel: 1 })
    await producer.send(message, { transaction: producer.beginTransaction() })
    producer.sendOneway(message)
    const request = producer.request(message, { timeoutMs: 10 })
    request.catch(() => undefined)
    await host.clock.advance(10)
    expect(kinds).toEqual(['NORMAL 2', 'DELAY 1', 'TRANSACTION 1', 'NORMAL 1', 'NORMAL 1'])
    expect(told).toEqual(kinds.map((kind) => `${kind.split(' ')[0]} SEND_OK`))
  })

  test('learn how long it took, and why it failed', async () => {
    const host = await openShop()
    const stored = new Signal<never>()
    host.replace({ sendMessage: () => stored.promise })
    const outcomes: SendHookOutcome[] = []
    const producer = await host.producer({
      sendHooks: [{ after: (_, outcome) => void outcomes.push(outcome) }],
    })
    const sending = producer.send({ topic: 'orders', body: 'x' })
    await host.clock.advance(70)
    expect(outcomes).toEqual([])
    stored.reject(new RangeError('lost'))
    await expect(sending).rejects.toThrow('lost')
    expect(outcomes).toEqual([{ error: mqError('SYSTEM_ERROR', 'lost'), durationMs: 70 }])
  })

  test('are told nothing of what is refused before it has a queue', async () => {
    const host = await openHost({ broker: { autoCreateTopicEnable: false } })
    const lines: string[] = []
    const producer = await host.producer({ sendHooks: [noting(lines, 'hook')] })
    await expect(producer.send({ topic: 'orders', body: '' })).rejects.toEqual(mqError('MESSAGE_ILLEGAL'))
    await expect(producer.send({ topic: 'orders', body: 'x' })).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
    expect(lines).toEqual([])
  })

  test('get the same context before and after', async () => {
    const host = await openShop()
    const carried = new WeakMap<object, string>()
    const found: unknown[] = []
    const producer = await host.producer({
      sendHooks: [
        {
          before: (context) => carried.set(context, 'a span'),
          after: (context) => void found.push(carried.get(context)),
        },
      ],
    })
    await producer.send({ topic: 'orders', body: 'x' })
    expect(found).toEqual(['a span'])
  })

  test.each<[string, SendHook]>([
    ['throws before', { before: throwing }],
    ['throws after', { after: throwing }],
    ['rejects', { before: () => Promise.reject(new Error('broken')) as never }],
    ['meddles with what it is told', { before: (context) => void Object.assign(context, { group: 'x' }) }],
    [
      'meddles with the messages',
      {
        before: ({ messages }) => {
          ;(messages as unknown[]).length = 0
        },
      },
    ],
  ])('change nothing when one %s, and an error tells of it', async (_, hook) => {
    const host = await openShop()
    const lines: string[] = []
    const producer = await host.producer({ group: 'shop', sendHooks: [hook, noting(lines, 'sound')] })
    await expect(producer.send({ topic: 'orders', body: 'x' })).resolves.toMatchObject({ status: 'SEND_OK' })
    await host.clock.settle()
    expect(lines).toHaveLength(2)
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR', "The send hook 'hook' of 'shop' failed")])
  })

  const nameless = Symbol('nameless') as never
  test.each<[string, SendHook, string]>([
    ['a symbol, and it throws before', { name: nameless, before: throwing }, 'Symbol(nameless)'],
    ['a symbol, and it throws after', { name: nameless, after: throwing }, 'Symbol(nameless)'],
    [
      'a symbol, and it rejects after',
      { name: nameless, after: () => Promise.reject(new Error('broken')) as never },
      'Symbol(nameless)',
    ],
    [
      'nothing that can be read',
      {
        get name(): string {
          throw new Error('odd')
        },
        after: throwing,
      },
      'hook',
    ],
  ])('change nothing when the name of one is %s', async (_, hook, name) => {
    const host = await openShop()
    const producer = await host.producer({ group: 'shop', sendHooks: [hook] })
    await expect(producer.send({ topic: 'orders', body: 'x' })).resolves.toMatchObject({ status: 'SEND_OK' })
    await host.clock.settle()
    expect(host.events('error')).toEqual([
      mqError('SYSTEM_ERROR', `The send hook '${name}' of 'shop' failed`),
    ])
  })

  test('never hold a send up', async () => {
    const host = await openShop()
    const hanging = (): never => new Promise(() => undefined) as never
    const producer = await host.producer({ sendHooks: [{ before: hanging, after: hanging }] })
    await expect(producer.send({ topic: 'orders', body: 'x' })).resolves.toMatchObject({ queueOffset: 0 })
  })

  test.each([[{}], [[{}]], [[{ before: 1 }]], [[null]], ['hook']])(
    'are refused when they are %j',
    async (sendHooks) => {
      const host = await openHost()
      await expect(host.producer({ sendHooks: sendHooks as never })).rejects.toEqual(
        mqError('INVALID_PARAMETER', 'sendHooks'),
      )
    },
  )
})
