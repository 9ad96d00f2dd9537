/** The steps of one order stay in order wherever they are sent from; orders of one queue do not wait for each other. */
import { ConsumeResult, PocketMQ } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory' })
// An order topic: a group never moves to another queue, whatever becomes of the number of queues.
await mq.admin.createTopic({ topic: 'orders', queues: 2, order: true })

const steps = ['created', 'paid', 'shipped']
const orders = ['o-1', 'o-2', 'o-3', 'o-4', 'o-5', 'o-6']
const log = new Map<string, string[]>(orders.map((order) => [order, []]))
let finish: () => void = () => undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
let doneCount = 0

await mq.createPushConsumer({
  group: 'billing',
  subscriptions: { orders: '*' },
  mode: 'orderly',
  enableFifoConsumeAccelerator: true, // the order of each group instead of that of the whole queue
  suspendCurrentQueueTimeMs: 20, // RocketMQ rests for a second
  listener: async (message) => {
    const order = message.messageGroup ?? ''
    if (order === 'o-1' && message.text() === 'paid' && message.deliveryAttempt < 3) {
      console.log(`${order} ${message.text()}: no answer from the bank, attempt ${message.deliveryAttempt}`)
      return ConsumeResult.FAILURE // only o-1 waits
    }
    log.get(order)?.push(message.text())
    console.log(`${order} ${message.text()}`)
    if (++doneCount === steps.length * orders.length) finish()
    return ConsumeResult.SUCCESS
  },
})

const producer = await mq.createProducer({ group: 'shop' })
for (const body of steps) {
  await Promise.all(orders.map((messageGroup) => producer.send({ topic: 'orders', body, messageGroup })))
}

await finished
await mq.close()
const isOrdered = [...log.values()].every((seen) => seen.join() === steps.join())
console.log(isOrdered ? 'every group went through its steps in order' : 'out of order')
