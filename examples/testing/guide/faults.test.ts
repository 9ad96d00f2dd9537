import { MQError } from 'pocketmq'
import { createTestMQ, expectMQ } from 'pocketmq/testing'
import { expect, test } from 'vitest'

test('The shop sends again what was not stored, and nothing twice', async () => {
  await using mq = await createTestMQ()
  mq.faults.failSend({ topic: 'orders', nth: 3, code: 'SYSTEM_BUSY' })
  const shop = await mq.createProducer({ group: 'shop' })
  const sendOnce = async (body: string): Promise<void> => {
    try {
      await shop.send({ topic: 'orders', body })
    } catch (error) {
      if (!(error instanceof MQError) || error.outcome !== 'not-attempted') throw error
      await sendOnce(body)
    }
  }
  for (const body of ['a', 'b', 'c', 'd']) await sendOnce(body)

  for (const body of ['a', 'b', 'c', 'd']) expectMQ(mq).sent({ topic: 'orders', body, times: 1 })
  expect(mq.faults.unused()).toEqual([])
})

test('A slow disk answers FLUSH_DISK_TIMEOUT', async () => {
  await using mq = await createTestMQ({ flushDiskType: 'SYNC_FLUSH' })
  const shop = await mq.createProducer({ group: 'shop' })
  const fault = mq.faults.slowDisk({ delayMs: 6000 })
  const receipt = await mq.clock.runUntil(shop.send({ topic: 'orders', body: 'order 1' }))
  expect(receipt.status).toBe('FLUSH_DISK_TIMEOUT')
  fault.remove()
})
