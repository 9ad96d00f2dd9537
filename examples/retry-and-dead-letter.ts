/** A listener fails once and then for good: a retry succeeds, the last retry ends in the dead-letter queue. */
import { ConsumeResult, type DeadLetterEvent, PocketMQ } from 'pocketmq'

// RocketMQ waits 10 s before the first retry and up to two hours before the last; an example cannot.
const mq = await PocketMQ.open({ storage: 'memory', messageDelayLevel: '10ms 10ms 50ms 100ms 200ms' })

await mq.createPushConsumer({
  group: 'billing',
  subscriptions: { orders: '*' },
  maxReconsumeTimes: 2,
  listener: async (message) => {
    console.log(`${message.text()}, attempt ${message.deliveryAttempt}`)
    if (message.text() === 'broken order') throw new Error('this order has no customer')
    return message.deliveryAttempt === 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
  },
})

const deadLetter = new Promise<DeadLetterEvent>((resolve) => mq.once('dead-letter', resolve))
const producer = await mq.createProducer({ group: 'shop' })
await producer.send({ topic: 'orders', body: 'order', tag: 'new', keys: 'o-1' })
await producer.send({ topic: 'orders', body: 'broken order', tag: 'new', keys: 'o-2' })

const { reconsumeTimes, reason } = await deadLetter
console.log(`a dead letter after ${reconsumeTimes} failures: ${reason}`)
for (const message of await mq.admin.deadLetters('billing')) {
  console.log(`in the dead-letter queue: ${message.text()} with key ${message.keys}`)
}
await mq.close()
