/**
 * A shop and its two departments, until the process is killed: each order is written with its message in one batch, each department writes
 * what it did with its acknowledgement in one batch. Told to finish, it takes no more orders, and ends when everything is done.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { ClassicLevel } from 'classic-level'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import type { MessageView } from '../../src/model/message.ts'
import { PocketMQ } from '../../src/pocketmq.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { DEPARTMENTS, type KillJob, TOPIC } from './outbox-job.ts'
import { WorkloadRandom } from './workload-random.ts'

type Orders = ClassicLevel<string, string>

writeSync(process.stdout.fd, 'ready\n')
const [line] = await once(createInterface({ input: process.stdin }), 'line')
const job: KillJob = JSON.parse(line)
const random = new WorkloadRandom(job.seed)
const database: Orders = new ClassicLevel(join(job.directory, 'database'))
await database.open()
const left = await Promise.all(
  ['outbox', 'inbox'].map((box) => database.sublevel(`pocketmq.${box}`).keys().all()),
)
writeSync(process.stdout.fd, `left ${left.map((keys) => keys.length).join(' ')}\n`)
const mq = await PocketMQ.open(join(job.directory, 'store'), {
  database,
  flushDiskType: job.flushDiskType,
  flushIntervalMs: 10,
  messageDelayLevel: '1s 1s 1s 1s',
  topics: [{ topic: TOPIC, queues: 2 }],
})
mq.on('error', (error) => process.stderr.write(`${error.stack}\n`))
for (const group of DEPARTMENTS) await work(group)
writeSync(process.stdout.fd, 'open\n')
await (job.isLast ? finish() : takeOrders())

async function takeOrders(): Promise<never> {
  const producer = await mq.createProducer({ group: 'shop' })
  for (let i = 0; ; i++) {
    const order = `${job.round}-${i}`
    if (i === 1 || random.chance(0.1)) {
      await changeMind(producer, order)
      continue
    }
    const batch = database.batch().put(`order ${order}`, 'taken')
    const delay = random.chance(0.2) ? { deliveryTimestamp: Date.now() + random.below(200) } : {}
    const group = random.chance(0.3) && !('deliveryTimestamp' in delay) ? { messageGroup: `${i % 3}` } : {}
    await producer.send({ topic: TOPIC, body: order, ...delay, ...group }, { batch })
    if (random.chance(0.05)) await batch.close()
    else await batch.write()
    if (random.chance(0.1)) await sleep(1)
  }
}

/** Takes an order that is to be carried out later, and then takes it back. */
async function changeMind(producer: Producer, order: string): Promise<void> {
  const due = Date.now() + 300 + random.below(300)
  const batch = database.batch().put(`order ${order}`, 'taken')
  const { messageId } = await producer.send({ topic: TOPIC, body: order, deliveryTimestamp: due }, { batch })
  await batch.write()
  await mq.drainOutbox()
  const waiting = await mq.admin.delayedMessages(TOPIC, { begin: due, end: due })
  const found = waiting.find(({ message }) => message.messageId === messageId)
  if (found === undefined) return
  // Behind a kill in between nobody knows whether it was taken back.
  await database.put(`mind ${order}`, 'perhaps changed')
  const isRecalled = await producer.recall(TOPIC, found.recallHandle).then(
    () => true,
    () => false,
  )
  await database.put(`mind ${order}`, isRecalled ? 'changed' : 'not changed')
}

async function work(group: string): Promise<void> {
  await mq.createPushConsumer({
    group,
    subscriptions: { [TOPIC]: '*' },
    ...(group === 'stock' && { mode: 'orderly', suspendCurrentQueueTimeMs: 10 }),
    maxReconsumeTimes: 1000,
    listener: (message, context) => workOn(group, message, context),
  })
}

async function workOn(group: string, message: MessageView, context: ConsumeContext): Promise<void> {
  if (random.chance(0.3)) await nextTurn()
  if (random.chance(0.05)) throw new Error('not yet')
  const key = `done ${group} ${message.text()}`
  const before = (await database.get(key)) ?? ''
  await context.commit(database.batch().put(key, `${before}+`))
  if (random.chance(0.05)) throw new Error('done already')
}

async function finish(): Promise<void> {
  await mq.drainOutbox()
  for (;;) {
    const delayed = await mq.admin.delayedMessages(TOPIC)
    const progress = await Promise.all(DEPARTMENTS.map((group) => mq.admin.consumerProgress(group)))
    const isDone = progress.every(({ lag, pendingRetryCount }) => lag === 0 && pendingRetryCount === 0)
    if (isDone && delayed.length === 0) break
    await sleep(20)
  }
  await mq.close()
  await database.close()
  process.exit(0)
}
