/** A reminder for each order, unless it is paid in time: then the reminder is taken back. */
import { MQError, PocketMQ } from 'pocketmq'

const REMIND_AFTER_MS = 300

const mq = await PocketMQ.open({ storage: 'memory' })
const producer = await mq.createProducer({ group: 'shop' })
const orders = ['o-1', 'o-2', 'o-3']

const reminded: string[] = []
let finish: () => void = () => undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
await mq.createPushConsumer({
  group: 'mails',
  subscriptions: { reminders: '*' },
  listener: (message) => {
    const lateMs = Date.now() - (message.deliveryTimestamp ?? 0)
    console.log(`${message.text()} is reminded, ${lateMs < 0 ? 'too early' : 'in time'}`)
    reminded.push(message.text())
    if (reminded.length === orders.length - 1) finish()
  },
})

// The handle belongs to the order: here it is kept in a map, in a shop in its database.
const handles = new Map<string, string>()
for (const body of orders) {
  const deliveryTimestamp = Date.now() + REMIND_AFTER_MS
  const { recallHandle } = await producer.send({ topic: 'reminders', body, deliveryTimestamp })
  if (recallHandle !== undefined) handles.set(body, recallHandle)
}
console.log(`${(await mq.admin.delayedMessages('reminders')).length} reminders wait`)

async function pay(order: string): Promise<void> {
  try {
    await producer.recall('reminders', handles.get(order) ?? '')
    console.log(`${order} is paid in time`)
  } catch (error) {
    if (!(error instanceof MQError) || error.code !== 'ILLEGAL_OPERATION') throw error
    console.log(`${order} is paid, and was reminded before`)
  }
}

await pay('o-2')
await finished
await pay('o-3')
await mq.close()
console.log(`reminded: ${reminded.join(', ')}`)
