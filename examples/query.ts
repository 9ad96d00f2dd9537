/** Finding messages again: by id, by the address of the stored record, by key; and how much a topic holds. */
import { PocketMQ } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory' })
const producer = await mq.createProducer({ group: 'shop' })
const receipt = await producer.send({
  topic: 'orders',
  body: 'a book',
  tag: 'paid',
  keys: ['o-42', 'customer-7'],
})
await producer.send({ topic: 'orders', body: 'a lamp', tag: 'paid', keys: ['o-43', 'customer-7'] })

const byId = await mq.admin.queryMessageById(receipt.messageId)
console.log(`by message id: ${byId.text()}`)
const byAddress = await mq.admin.queryMessageById(receipt.offsetMessageId)
console.log(`by offset message id: ${byAddress.text()}`)

// Newest first.
for (const message of await mq.admin.queryMessagesByKey('orders', 'customer-7')) {
  console.log(`by key customer-7: ${message.text()} (${message.tag})`)
}

const queues = await mq.admin.topicStatus('orders')
const count = queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)
console.log(`orders holds ${count} messages in ${queues.length} queues`)
await mq.close()
