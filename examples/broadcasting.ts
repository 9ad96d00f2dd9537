/** Every member gets everything. One that has a name goes on where it was; what one fails to consume is its own loss. */
import { type MessageDroppedEvent, PocketMQ } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory' })
await mq.admin.createTopic({ topic: 'prices', queues: 1 })
const prices: Record<string, string[]> = { cache: [], display: [] }

/** Resolves when both members have shown the last price. */
let finish: () => void = () => undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})

const join = (name: string) =>
  mq.createPushConsumer({
    group: 'price-readers',
    clientId: name,
    subscriptions: { prices: '*' },
    messageModel: 'broadcasting',
    listener: async (message) => {
      const price = message.text()
      if (name === 'display' && Number(price) > 100) throw new RangeError(`${price} is too wide`)
      prices[name]?.push(price)
      if (Object.values(prices).every((seen) => seen.at(-1) === '18')) finish()
    },
  })

const cache = await join('cache')
await join('display')
const dropped = new Promise<MessageDroppedEvent>((resolve) => mq.once('message-dropped', resolve))
const producer = await mq.createProducer({ group: 'market' })
await producer.send([
  { topic: 'prices', body: '17' },
  { topic: 'prices', body: '170' },
])
const { clientId, reason } = await dropped
console.log(`the ${clientId} dropped a price: ${reason}`)

await cache.close()
await producer.send({ topic: 'prices', body: '18' })
await join('cache') // under its name it goes on where it was
await finished
for (const [name, seen] of Object.entries(prices)) console.log(`the ${name} got ${seen.join(', ')}`)
await mq.close()
