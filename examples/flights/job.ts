/** The job: send every flight once, let three groups consume them, and be done when nothing is left to do. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PocketMQ } from 'pocketmq'
import type { Flight } from './flight.ts'
import { DELAY_LEVELS, GROUPS, type Group, MAX_RETRIES } from './groups.ts'
import type { Records } from './records.ts'
import { recordStored, type Sending, sendFlights, TOPIC } from './send.ts'

/** Where the job stands. */
export interface Progress {
  /** Flights acknowledged in this run. */
  readonly sent: number
  /** Calls of listeners in this run. */
  readonly delivered: number
}

export interface JobSettings extends Sending {
  readonly onProgress: (progress: Progress) => void
}

/** What a run did, and how long it took. */
export interface JobResult extends Progress {
  /** Flights that an earlier process had stored and did not live to see acknowledged. */
  readonly foundStored: number
  readonly sendMs: number
  readonly totalMs: number
}

/** Opens the store in a directory, or one in memory. */
export function openStore(directory: string | undefined): Promise<PocketMQ> {
  const options = { messageDelayLevel: DELAY_LEVELS }
  return directory === undefined
    ? PocketMQ.open({ storage: 'memory', ...options })
    : PocketMQ.open(directory, options)
}

/** Runs the job, from the start or from wherever a killed process left it. */
export async function runJob(mq: PocketMQ, settings: JobSettings): Promise<JobResult> {
  const start = performance.now()
  let sent = 0
  let delivered = 0
  const report = (): void => settings.onProgress({ sent, delivered })

  await mq.admin.createTopic({ topic: TOPIC, queues: 4 })
  for (const group of GROUPS) {
    await startConsumer(mq, group, settings.records, () => {
      delivered++
    })
  }
  const foundStored = await recordStored(mq, settings)
  const sendStart = performance.now()
  for await (const count of sendFlights(mq, settings)) {
    sent += count
    report()
  }
  const sendMs = performance.now() - sendStart
  while (!(await isFinished(mq))) await sleep(20)
  report()
  return { foundStored, sent, delivered, sendMs, totalMs: performance.now() - start }
}

/** Notes each delivery and refuses what its group refuses; a listener that throws gets the message again later. */
async function startConsumer(
  mq: PocketMQ,
  group: Group,
  records: Records,
  onDelivered: () => void,
): Promise<void> {
  await mq.createPushConsumer({
    group: group.name,
    subscriptions: { [TOPIC]: group.filter },
    maxReconsumeTimes: MAX_RETRIES,
    // What the filter refuses counts as consumed too, a tenth of a second after a waiting pull has passed over it.
    listener: async (message) => {
      const flight = message.json<Flight>()
      records.recordDelivery({ group: group.name, flight: flight.number, attempt: message.deliveryAttempt })
      onDelivered()
      if (message.deliveryAttempt <= group.refusals(flight)) throw new Error('refused')
    },
  })
}

/** Whether every group has consumed everything and no retry waits. */
async function isFinished(mq: PocketMQ): Promise<boolean> {
  for (const { name } of GROUPS) {
    const { lag, pendingRetryCount } = await mq.admin.consumerProgress(name)
    if (lag > 0 || pendingRetryCount > 0) return false
  }
  return true
}
