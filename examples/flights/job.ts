/** The job: send every flight once, let three groups consume them, and be done when nothing is left to do. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PocketMQ } from 'pocketmq'
import { type Flight, flightKey, latenessOf } from './flight.ts'
import { DELAY_LEVELS, GROUPS, type Group, MAX_RETRIES } from './groups.ts'
import type { Records } from './records.ts'

export const TOPIC = 'flights'

/** Flights that are under way at the same time. The next wave starts when all of the last are acknowledged. */
const WAVE_COUNT = 200

/** Where the job stands. */
export interface Progress {
  /** Flights acknowledged in this run. */
  readonly sent: number
  /** Calls of listeners in this run. */
  readonly delivered: number
}

export interface JobSettings {
  readonly flights: readonly Flight[]
  readonly records: Records
  /** The pause between two waves; 0 for full speed. */
  readonly pauseMs: number
  readonly onProgress: (progress: Progress) => void
}

/** What a run took. */
export interface JobResult extends Progress {
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
  for await (const count of sendFlights(mq, settings)) {
    sent += count
    report()
  }
  const sendMs = performance.now() - start
  while (!(await isFinished(mq))) await sleep(20)
  report()
  return { sent, delivered, sendMs, totalMs: performance.now() - start }
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
    // A pull that waits passes over what the filter refuses; that counts as consumed when the wait ends.
    suspendMs: 200,
    listener: async (message) => {
      const flight = message.json<Flight>()
      records.recordDelivery({ group: group.name, flight: flight.number, attempt: message.deliveryAttempt })
      onDelivered()
      if (message.deliveryAttempt <= group.refusals(flight)) throw new Error('refused')
    },
  })
}

/** Sends what is not acknowledged yet, wave by wave; yields the size of each wave. */
async function* sendFlights(
  mq: PocketMQ,
  { flights, records, pauseMs }: JobSettings,
): AsyncGenerator<number, void> {
  const producer = await mq.createProducer({ group: 'airports' })
  const rest = await withoutStored(mq, flights, records)
  for (let first = 0; first < rest.length; first += WAVE_COUNT) {
    const wave = rest.slice(first, first + WAVE_COUNT)
    await Promise.all(
      wave.map(async (flight) => {
        await producer.send(messageOf(flight))
        records.recordAcknowledged(flight.number)
      }),
    )
    yield wave.length
    if (pauseMs > 0) await sleep(pauseMs)
  }
}

function messageOf(flight: Flight) {
  return {
    topic: TOPIC,
    tag: latenessOf(flight),
    keys: [flight.origin, flight.destination, flightKey(flight)],
    body: JSON.stringify(flight),
  }
}

/**
 * The flights still to be sent. A process that was killed may have stored a flight and not lived to record it; only the
 * wave under way can hold such flights, and their keys tell.
 */
async function withoutStored(
  mq: PocketMQ,
  flights: readonly Flight[],
  records: Records,
): Promise<readonly Flight[]> {
  const acknowledged = records.acknowledged()
  const rest = flights.filter(({ number }) => !acknowledged.has(number))
  for (const flight of rest.slice(0, WAVE_COUNT)) {
    const stored = await mq.admin.queryMessagesByKey(TOPIC, flightKey(flight), { max: 1 })
    if (stored.length === 0) continue
    acknowledged.add(flight.number)
    records.recordAcknowledged(flight.number)
  }
  return rest.filter(({ number }) => !acknowledged.has(number))
}

/** Whether every group has consumed everything and no retry waits. */
async function isFinished(mq: PocketMQ): Promise<boolean> {
  for (const { name } of GROUPS) {
    const { lag, pendingRetryCount } = await mq.admin.consumerProgress(name)
    if (lag > 0 || pendingRetryCount > 0) return false
  }
  return true
}
