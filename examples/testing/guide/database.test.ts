import { MemoryLevel } from 'memory-level'
import { createTestMQ } from 'pocketmq/testing'
import { expect, test } from 'vitest'

test('an order and its message are written together, whatever crashes', async () => {
  const database = new MemoryLevel()
  await database.open()
  const mq = await createTestMQ({ database })
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch().put('order o-42', 'paid')
  await producer.send({ topic: 'orders', body: 'o-42' }, { batch })
  mq.faults.failSend({ code: 'DISK_FULL', times: 1 })
  await batch.write()
  await mq.clock.rest()
  await using reopened = await mq.crash()
  const [message] = await reopened.admin.browse('orders')
  expect(message?.text()).toBe('o-42')
})
