/** Two receivers share a topic without owning queues. One message fails twice, one is forgotten, and all are done in the end. */
import { MQError, PocketMQ, type SimpleConsumer } from 'pocketmq'

// A message that is given back waits 10 s the first time in RocketMQ; an example cannot.
const mq = await PocketMQ.open({ storage: 'memory', messageDelayLevel: '10ms 10ms 50ms 100ms' })
const producer = await mq.createProducer({ group: 'shop' })
const bodies = ['order 1', 'order 2', 'broken order', 'order that is forgotten', 'order 5']
for (const body of bodies) await producer.send({ topic: 'orders', body })

const done = new Set<string>()

/** Receives until every order is done. */
async function work(name: string, consumer: SimpleConsumer): Promise<void> {
  while (done.size < bodies.length) {
    for (const message of await consumer.receive({
      maxMessages: 2,
      invisibleDurationMs: 500,
      awaitDurationMs: 100,
    })) {
      const text = message.text()
      console.log(`${name} has ${text}, attempt ${message.deliveryAttempt}`)
      if (text === 'broken order' && message.deliveryAttempt < 3) await consumer.nack(message)
      else if (text === 'order that is forgotten' && message.deliveryAttempt === 1) forgotten = message
      else {
        await consumer.ack(message)
        done.add(text)
      }
    }
  }
}

let forgotten: Awaited<ReturnType<SimpleConsumer['receive']>>[number] | undefined
const subscriptions = { orders: '*' }
const [anna, ben] = await Promise.all([
  mq.createSimpleConsumer({ group: 'billing', subscriptions }),
  mq.createSimpleConsumer({ group: 'billing', subscriptions }),
])
await Promise.all([work('anna', anna), work('ben', ben)])

// Its time was over long ago, and somebody else has done it.
if (forgotten !== undefined) {
  await anna.ack(forgotten).catch((error: unknown) => {
    if (error instanceof MQError) console.log(`too late: ${error.code}`)
  })
}
const { lag, invisibleCount } = await mq.admin.consumerProgress('billing')
console.log(`${done.size} orders are done, ${lag + invisibleCount} are left`)
await mq.close()
