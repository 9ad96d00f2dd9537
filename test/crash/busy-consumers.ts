/**
 * The same through the public door: producers, and consumers that refuse some messages, so that retries and dead letters
 * are on their way when the kill comes. What a listener is done with goes to the ledger before the listener settles.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type MessageView, PocketMQ, type Producer } from '../../src/index.ts'
import type { Job } from './job.ts'
import type { LedgerWriter } from './ledger.ts'
import { readStamp, stampBody } from './stamp.ts'
import { WorkloadRandom } from './workload-random.ts'

export const CONSUMED_TOPIC = 'flights'
export const CONSUMING_GROUPS = ['board', 'tower']

/** Works until it is killed. */
export async function keepConsumersBusy(job: Job, ledger: LedgerWriter): Promise<never> {
  const random = new WorkloadRandom(job.seed)
  let sends = 0
  const nextSend = (): string => `${job.round}.${++sends}`
  for (;;) {
    ledger.phase('opening')
    const mq = await PocketMQ.open(job.directory, {
      flushDiskType: job.flushDiskType,
      flushIntervalMs: 10,
      messageDelayLevel: '1ms 2ms 3ms 5ms 8ms',
    })
    ledger.phase('open')
    const producer = await mq.createProducer({ group: 'senders' })
    for (const group of CONSUMING_GROUPS) await consume(mq, group, ledger)
    const steps = random.between(5, 60)
    await Promise.all([1, 2, 3].map(() => send(producer, ledger, random.fork(), steps, nextSend)))
    ledger.phase('closing')
    await mq.close()
    ledger.phase('closed')
  }
}

async function consume(mq: PocketMQ, group: string, ledger: LedgerWriter): Promise<void> {
  await mq.createPushConsumer({
    group,
    subscriptions: { [CONSUMED_TOPIC]: '*' },
    maxReconsumeTimes: 3,
    listener: async (message) => {
      if (message.queueOffset % 3 === 0) await nextTurn()
      if (isRefused(message)) throw new Error('refused')
      ledger.handled(group, message.messageId)
    },
  })
}

/** One message in 8 needs a second attempt, one in 24 becomes a dead letter. */
function isRefused(message: MessageView): boolean {
  const number = Number(readStamp(message.body)?.send.split('.')[1])
  return number % 24 === 0 || (number % 8 === 0 && message.reconsumeTimes === 0)
}

async function send(
  producer: Producer,
  ledger: LedgerWriter,
  random: WorkloadRandom,
  steps: number,
  nextSend: () => string,
): Promise<void> {
  for (let step = 0; step < steps; step++) {
    await Promise.all(
      Array.from({ length: random.pick([1, 1, 5, 20]) }, () =>
        sendOnce(producer, ledger, random, nextSend()),
      ),
    )
    if (random.chance(0.3)) await sleep(1)
  }
}

async function sendOnce(
  producer: Producer,
  ledger: LedgerWriter,
  random: WorkloadRandom,
  send: string,
): Promise<void> {
  const count = random.pick([1, 1, 1, 2, 10])
  const messages = Array.from({ length: count }, (_, index) => ({
    topic: CONSUMED_TOPIC,
    body: stampBody({ send, index, count, reached: -1 }, random.between(20, 600)),
    keys: [`send-${send}`],
  }))
  const [first] = messages
  if (first === undefined) return
  const { queue, queueOffset } = await (count === 1 ? producer.send(first) : producer.send(messages))
  ledger.sent(send, { topic: queue.topic, queueId: queue.queueId, offset: queueOffset, count })
}
