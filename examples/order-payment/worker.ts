/** One life of the process that pays: it goes on where the one before it was killed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Producer, TransactionResolution } from 'pocketmq'
import { ORDER_COUNT, openPayments, openQueue, PAID_TOPIC } from './payments.ts'

const AT_A_TIME = 8
const LOOK_EVERY_MS = 50
/** Longer than checks take: whatever they were to add is there by then. */
const QUIET_MS = 600

const [directory = '', steps] = process.argv.slice(2)
let stepsLeft = Number(steps)
const payments = await openPayments(directory)
const mq = await openQueue(directory)
/** Transactions that this process is busy with, and therefore knows nothing about yet. */
const underWay = new Set<string>()

const producer = await mq.createProducer({
  group: 'payments',
  // Asked about halves whose end nobody stored: of the life before, as a rule. The payment names its transaction, since a
  // later one may have paid the same order.
  transactionChecker: async (message, transactionId) => {
    if (underWay.has(transactionId)) return TransactionResolution.UNKNOWN
    const paidBy = await payments.get(message.text())
    return paidBy === transactionId ? TransactionResolution.COMMIT : TransactionResolution.ROLLBACK
  },
})

const orders = Array.from({ length: ORDER_COUNT }, (_, index) => `o-${String(index).padStart(3, '0')}`)
await Promise.all(Array.from({ length: AT_A_TIME }, () => payAll(producer)))
while ((await messageCount()) < ORDER_COUNT) await sleep(LOOK_EVERY_MS)
await sleep(QUIET_MS)
await mq.close()
await payments.close()

async function payAll(by: Producer): Promise<void> {
  for (let order = orders.shift(); order !== undefined; order = orders.shift()) {
    if ((await payments.get(order)) === undefined) await pay(by, order)
  }
}

async function pay(by: Producer, order: string): Promise<void> {
  takeStep()
  const { transactionId } = await by.sendInTransaction(
    { topic: PAID_TOPIC, body: order, keys: [order] },
    async (_message, { messageId }) => {
      underWay.add(messageId)
      takeStep()
      await payments.put(order, messageId)
      takeStep()
      return TransactionResolution.COMMIT
    },
  )
  underWay.delete(transactionId)
  takeStep()
}

async function messageCount(): Promise<number> {
  const [queue] = await mq.admin.topicStatus(PAID_TOPIC)
  return queue === undefined ? 0 : queue.maxOffset - queue.minOffset
}

/** Dies when its steps are used up, as a process does: without a word. */
function takeStep(): void {
  stepsLeft -= 1
  if (stepsLeft === 0) process.kill(process.pid, 'SIGKILL')
}
