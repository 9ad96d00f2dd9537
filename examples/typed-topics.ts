/** A topic with a schema: what goes in and what comes out have types, and what does not fit any more is a dead letter. */
import { defineTopic, MQError, PocketMQ } from 'pocketmq'
import { z } from 'zod'

// Goes in as JSON, with a text for the date; comes out with a Date.
const orders = defineTopic({
  name: 'orders',
  schema: z.object({
    id: z.string(),
    amount: z.number().positive(),
    at: z.iso.datetime().transform((text) => new Date(text)),
  }),
})

const mq = await PocketMQ.open({ storage: 'memory' })
const producer = await mq.createProducer({ group: 'shop' })
const at = '2030-01-01T12:00:00Z'

try {
  await producer.send({ topic: orders, body: { id: 'o-0', amount: -1, at } })
} catch (error) {
  if (error instanceof MQError && error.code === 'SCHEMA_MISMATCH')
    console.log(
      'refused:',
      error.issues?.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
    )
}
await producer.send({ topic: orders, body: { id: 'o-1', amount: 9.5, at } })
// An older version of the shop knew no amounts, and sent text.
await producer.send({ topic: 'orders', body: JSON.stringify({ id: 'o-2', at }) })
await producer.send({ topic: orders, body: { id: 'o-3', amount: 4, at } })

const { verifiedCount, failedCount } = await mq.admin.verifyTopic(orders)
console.log(`${failedCount} of ${verifiedCount} stored messages would not pass`)

const given = new Promise<string>((resolve) => mq.on('dead-letter', ({ reason }) => resolve(reason)))
let finish: () => void = () => undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
let doneCount = 0
await mq.createPushConsumer({
  group: 'billing',
  topics: [orders], // everything of it; `subscriptions: { [orders.name]: 'paid' }` for less
  listener: ({ value }) => {
    console.log(`${value.id}: ${value.amount.toFixed(2)} on ${value.at.toUTCString()}`)
    if (++doneCount === 2) finish()
  },
})

const [reason] = await Promise.all([given, finished])
await mq.close()
console.log(`dead letter: ${reason}`)
