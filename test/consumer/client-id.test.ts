import { PocketMQ } from 'pocketmq'
import { describe, expect, test } from 'vitest'
import { mqError } from '../helpers/expect-error.ts'

const options = { group: 'billing', clientId: 'c', subscriptions: { orders: '*' }, listener: () => undefined }

test('A second member of the same name is refused, until the first has left', async () => {
  await using mq = await PocketMQ.open({ storage: 'memory' })
  const [first, second] = await Promise.allSettled([
    mq.createPushConsumer(options),
    mq.createPushConsumer(options),
  ])
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_PARAMETER' } })
  await expect(mq.createPushConsumer(options)).rejects.toThrow(mqError('INVALID_PARAMETER', "a member 'c'"))
  await mq.createPushConsumer({ ...options, group: 'audit' })

  if (first.status === 'fulfilled') await first.value.close()
  await mq.createPushConsumer(options)
})

const KINDS: [string, (mq: PocketMQ, clientId: string) => Promise<unknown>][] = [
  ['push', (mq, clientId) => mq.createPushConsumer({ ...options, clientId })],
  [
    'lite pull',
    (mq, clientId) =>
      mq.createLitePullConsumer({ group: 'billing', clientId, subscriptions: { orders: '*' } }),
  ],
  ['pull', (mq, clientId) => mq.createPullConsumer({ group: 'billing', clientId })],
  [
    'simple',
    (mq, clientId) => mq.createSimpleConsumer({ group: 'billing', clientId, subscriptions: { orders: '*' } }),
  ],
]

describe.each(KINDS)('The name of a %s consumer', (_, create) => {
  test('is the same with white space around it, whichever comes first', async () => {
    for (const [one, other] of [
      ['c', ' c '],
      ['\tc', 'c'],
    ] as const) {
      await using mq = await PocketMQ.open({ storage: 'memory' })
      await create(mq, one)
      await expect(create(mq, other)).rejects.toThrow(mqError('INVALID_PARAMETER', "a member 'c'"))
    }
  })

  test('is the same while the other one starts', async () => {
    await using mq = await PocketMQ.open({ storage: 'memory' })
    const [, second] = await Promise.allSettled([create(mq, ' c'), create(mq, 'c ')])
    expect(second).toMatchObject({ status: 'rejected', reason: mqError('INVALID_PARAMETER', "a member 'c'") })
  })

  test.each([Symbol('c'), 5, null, ' '])('is refused when it is none', async (clientId) => {
    await using mq = await PocketMQ.open({ storage: 'memory' })
    await expect(create(mq, clientId as string)).rejects.toThrow(mqError('INVALID_PARAMETER', 'clientId'))
  })
})

test('A path is named once', async () => {
  const twice = { path: 'elsewhere' } as object
  await expect(PocketMQ.open('data', twice)).rejects.toThrow(mqError('INVALID_PARAMETER', 'once'))
})
