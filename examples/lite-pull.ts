/** The application asks for messages: with polls and commits, and with a loop. */
import { type MessageQueue, PocketMQ } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory', topics: [{ topic: 'orders', queues: 2 }] })
const producer = await mq.createProducer({ group: 'shop' })
for (let i = 1; i <= 6; i++) await producer.send({ topic: 'orders', body: `order ${i}` })

// Polls: each returns messages of one queue, and counts as done what the ones before returned.
const polling = await mq.createLitePullConsumer({
  group: 'billing',
  subscriptions: { orders: '*' },
  autoCommit: false,
})
let polled = 0
while (polled < 6) {
  const messages = await polling.poll({ timeoutMs: 1000 })
  console.log('a poll returned', messages.map((message) => message.text()).join(', '))
  polled += messages.length
  await polling.commit()
}

// Back to the beginning of a queue, as often as you like.
const [first] = polling.assignment() as [MessageQueue]
await polling.seekToBegin(first)
const again = await polling.poll({ timeoutMs: 1000 })
console.log(`once more from queue ${first.queueId}: ${again.length} messages`)
await polling.close()

// A loop over queues of its own choice: it fetches no faster than its body works, and commits as it goes.
const looping = await mq.createLitePullConsumer({ group: 'audit' })
await looping.assign(await looping.fetchMessageQueues('orders'))
let count = 0
for await (const message of looping) {
  count += 1
  console.log('the loop got', message.text())
  if (count === 6) await looping.close()
}
console.log(`the loop ended after ${count} messages`)
await mq.close()
