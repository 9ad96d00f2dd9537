/** A message is sent and received. Prints `received hello`. */
import { PocketMQ } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory' })

const received = new Promise<string>((resolve) => {
  mq.createPushConsumer({
    group: 'greeters',
    subscriptions: { greetings: '*' },
    listener: async (message) => resolve(message.text()),
  })
})

const producer = await mq.createProducer({ group: 'senders' })
await producer.send({ topic: 'greetings', body: 'hello' })

console.log('received', await received)
await mq.close()
