/** The application says which queue and from where, and keeps the offsets: a job that reads on where it ended last time. */
import { type MessageQueue, PocketMQ, type PullConsumer } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory', topics: [{ topic: 'orders', queues: 2 }] })
const producer = await mq.createProducer({ group: 'shop' })

async function send(count: number, tag: string): Promise<void> {
  for (let i = 1; i <= count; i++) await producer.send({ topic: 'orders', body: `${tag} ${i}`, tag })
}

/** Reads what is new in a queue, and answers how many messages were paid. */
async function readNew(consumer: PullConsumer, queue: MessageQueue): Promise<number> {
  let offset = (await consumer.fetchConsumeOffset(queue)) ?? (await consumer.minOffset(queue))
  let count = 0
  for (;;) {
    const { status, messages, nextBeginOffset } = await consumer.pull(queue, 'paid', offset, 32)
    for (const message of messages)
      console.log(`queue ${queue.queueId}, offset ${message.queueOffset}: ${message.text()}`)
    count += messages.length
    offset = nextBeginOffset
    if (status === 'NO_NEW_MSG') break
  }
  await consumer.updateConsumeOffset(queue, offset)
  return count
}

async function runJob(): Promise<number> {
  await using consumer = await mq.createPullConsumer({ group: 'billing' })
  let count = 0
  for (const queue of await consumer.fetchSubscribeMessageQueues('orders'))
    count += await readNew(consumer, queue)
  return count
}

await send(4, 'paid')
await send(4, 'open')
console.log(`the first run found ${await runJob()}`)
await send(2, 'paid')
console.log(`the second run found ${await runJob()}`)

// A pull may also wait for what is to come.
await using consumer = await mq.createPullConsumer({ group: 'audit' })
const [queue] = (await consumer.fetchSubscribeMessageQueues('orders')) as [MessageQueue]
const waiting = consumer.pullBlockIfNotFound(queue, '*', await consumer.maxOffset(queue), 1, {
  timeoutMs: 5000,
})
await producer.send({ topic: 'orders', body: 'the last one' }, { queue })
console.log('waited for:', (await waiting).messages[0]?.text())
await mq.close()
