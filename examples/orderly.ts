/** What belongs to one order stays in its order, also when a step fails for a while; other orders do not wait for it. */
import { ConsumeResult, PocketMQ, selectByHash } from 'pocketmq'

const mq = await PocketMQ.open({ storage: 'memory' })
const steps = ['created', 'paid', 'shipped']
const orders = ['o-1', 'o-2', 'o-3']
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
  suspendCurrentQueueTimeMs: 20, // RocketMQ rests for a second
  listener: async (message) => {
    const [order] = message.keys
    const step = message.text()
    if (order === 'o-1' && step === 'paid' && message.deliveryAttempt < 3) {
      console.log(`${order} ${step}: no answer from the bank, attempt ${message.deliveryAttempt}`)
      return ConsumeResult.SUSPEND_CURRENT_QUEUE_A_MOMENT
    }
    log.get(order ?? '')?.push(step)
    console.log(`${order} ${step}`)
    if (++doneCount === steps.length * orders.length) finish()
    return ConsumeResult.SUCCESS
  },
})

const producer = await mq.createProducer({ group: 'shop' })
for (const step of steps) {
  // The same argument always selects the same queue, and a queue keeps its order.
  for (const order of orders) {
    await producer.send({ topic: 'orders', body: step, keys: order }, { selector: selectByHash, arg: order })
  }
}

await finished
await mq.close()
const isOrdered = [...log.values()].every((seen) => seen.join() === steps.join())
console.log(isOrdered ? 'every order went through its steps in order' : 'out of order')
