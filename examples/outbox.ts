/** A shop and its stock: orders and their messages are written together, and so are what was packed and its acknowledgement. */
import { MemoryLevel } from 'memory-level'
import { PocketMQ } from 'pocketmq'

// In an application: new Level('./app'). It is the application's own, and outlives the instance.
const database = new MemoryLevel<string, string>()
await database.open()

const mq = await PocketMQ.open({ storage: 'memory', database })
await mq.createPushConsumer({
  group: 'stock',
  subscriptions: { orders: '*' },
  listener: async (message, context) => {
    await context.commit(database.batch().put(`packed ${message.text()}`, message.messageId))
    // The acknowledgement is written already: whatever happens now, the order is not packed again.
    if (message.text() === 'o-2') throw new Error('the printer is out of paper')
  },
})

const producer = await mq.createProducer({ group: 'shop' })
for (const order of ['o-1', 'o-2', 'o-3']) {
  const batch = database.batch().put(`order ${order}`, 'paid')
  const { messageId } = await producer.send({ topic: 'orders', body: order }, { batch })
  console.log(`${order} will be message ${messageId}`)
  // The customer changes their mind: neither the order nor its message is written.
  if (order === 'o-3') await batch.close()
  else await batch.write()
}

await mq.drainOutbox()
await mq.close()
const packed = await database.keys({ gte: 'packed', lt: 'packee' }).all()
console.log(packed.join(', '))
await database.close()
