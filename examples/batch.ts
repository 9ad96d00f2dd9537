/** Many messages at once: an array is stored as a whole or not at all, and a long list is split into legal arrays. */
import { PocketMQ, splitIntoBatches } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory' })
const producer = await mq.createProducer({ group: 'meters' })

const receipt = await producer.send([
  { topic: 'readings', body: '17.5', keys: 'meter-1' },
  { topic: 'readings', body: '18.1', keys: 'meter-2' },
  { topic: 'readings', body: '16.9', keys: 'meter-3' },
])
console.log(`${receipt.messageCount} messages stored together, from offset ${receipt.queueOffset}`)

const readings = Array.from({ length: 50_000 }, (_, i) => ({
  topic: 'readings',
  body: `reading ${i} ${'.'.repeat(100)}`,
}))
let batchCount = 0
for (const batch of splitIntoBatches(readings)) {
  await producer.send(batch)
  batchCount++
}
console.log(`${readings.length} messages in ${batchCount} batches`)

let received = 0
await new Promise<void>((resolve, reject) => {
  mq.createPushConsumer({
    group: 'archive',
    subscriptions: { readings: '*' },
    consumeMessageBatchMaxSize: 32,
    listener: async (messages) => {
      received += messages.length
      if (received === readings.length + receipt.messageCount) resolve()
    },
  }).catch(reject)
})
console.log(`received ${received} messages, up to 32 at a time`)
await mq.close()
