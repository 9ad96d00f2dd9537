import { PocketMQ } from 'pocketmq'
import { expect, test } from 'vitest'
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

test('A path is named once', async () => {
  const twice = { path: 'elsewhere' } as object
  await expect(PocketMQ.open('data', twice)).rejects.toThrow(mqError('INVALID_PARAMETER', 'once'))
})
