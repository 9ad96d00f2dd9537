/** A message is sent and received. `npx tsx examples/hello.ts` prints `received hello`; the other examples are run alike. */
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
