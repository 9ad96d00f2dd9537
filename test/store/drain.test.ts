/** Whoever waits for what is stored now must not wait for what others store meanwhile. */
import { PocketMQ } from 'pocketmq'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './set-up.ts'

test.each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)(
  'Queries and flushes end although others keep sending, with %s',
  async (flushDiskType) => {
    await using mq = await PocketMQ.open(await temporaryDirectory(), { flushDiskType })
    const producer = await mq.createProducer({ group: 'senders' })
    const { messageId } = await producer.send({ topic: 'orders', body: 'wanted', keys: 'k' })
    let isSending = true
    const senders = Array.from({ length: 20 }, async () => {
      while (isSending) await producer.send({ topic: 'orders', body: 'more' })
    })

    expect((await mq.admin.queryMessageById(messageId)).text()).toBe('wanted')
    expect(await mq.admin.queryMessagesByKey('orders', 'k')).toHaveLength(1)
    await mq.admin.flush()
    expect(await mq.admin.check()).toMatchObject({ ok: true })

    isSending = false
    await Promise.all(senders)
  },
)
