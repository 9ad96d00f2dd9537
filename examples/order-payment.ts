/**
 * Payments lie in a database of the application, their messages in PocketMQ, and no transaction spans both. A child process pays
 * orders and is killed at random steps, again and again; in the end every payment has exactly its one message. Exits with 1 otherwise.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ORDER_COUNT, openPayments, openQueue, PAID_TOPIC } from './order-payment/payments.ts'

const WORKER = fileURLToPath(new URL('./order-payment/worker.ts', import.meta.url))
const KILL_COUNT = 3
/** An order takes four steps; eight are paid at a time. */
const LONGEST_LIFE_STEPS = 60

const directory = mkdtempSync(join(tmpdir(), 'pocketmq-order-payment-'))
for (let life = 1; life <= KILL_COUNT; life++) {
  const steps = 1 + Math.floor(Math.random() * LONGEST_LIFE_STEPS)
  const { signal } = await live(String(steps))
  console.log(`life ${life} was ended by ${signal} at step ${steps}`)
}
const { code } = await live('Infinity')
console.log(`the last life ended with ${code}`)

const payments = await openPayments(directory)
const paid = await payments.keys().all()
await payments.close()

const mq = await openQueue(directory)
const messages = await mq.admin.browse(PAID_TOPIC, { max: 2 * ORDER_COUNT })
await mq.close()

const orders = messages.map((message) => message.text()).sort()
const isRight = paid.length === ORDER_COUNT && orders.join() === paid.sort().join()
console.log(`${paid.length} payments, ${orders.length} messages`)
console.log(isRight ? 'every payment has its one message' : `payments and messages DIFFER; see ${directory}`)
if (isRight) rmSync(directory, { recursive: true })
process.exitCode = isRight ? 0 : 1

async function live(
  steps: string,
): Promise<{ readonly code: number | null; readonly signal: string | null }> {
  const [code, signal] = await once(fork(WORKER, [directory, steps]), 'exit')
  return { code, signal }
}
