/** Sending every flight exactly once, also when the process that does it is killed and another one goes on. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message, PocketMQ } from 'pocketmq'
import { type Flight, flightKey, latenessOf } from './flight.ts'
import type { Records } from './records.ts'

export const TOPIC = 'flights'

/** Flights that are under way at the same time. The next wave starts when all of the last are acknowledged. */
const WAVE_COUNT = 200

export interface Sending {
  readonly flights: readonly Flight[]
  readonly records: Records
  /** The pause between two waves; 0 for full speed. */
  readonly pauseMs: number
}

/** Sends what is not acknowledged yet, wave by wave; yields the size of each wave. */
export async function* sendFlights(
  mq: PocketMQ,
  { flights, records, pauseMs }: Sending,
): AsyncGenerator<number> {
  const producer = await mq.createProducer({ group: 'airports' })
  const rest = withoutAcknowledged(flights, records)
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

/**
 * A process that was killed may have stored flights and not lived to record it. Only the wave that was under way can hold
 * such flights, and their keys tell: they count as acknowledged. Answers how many there were.
 */
export async function recordStored(mq: PocketMQ, { flights, records }: Sending): Promise<number> {
  let found = 0
  for (const flight of withoutAcknowledged(flights, records).slice(0, WAVE_COUNT)) {
    const stored = await mq.admin.queryMessagesByKey(TOPIC, flightKey(flight), { max: 1 })
    if (stored.length === 0) continue
    records.recordAcknowledged(flight.number)
    found++
  }
  return found
}

function withoutAcknowledged(flights: readonly Flight[], records: Records): Flight[] {
  const acknowledged = records.acknowledged()
  return flights.filter(({ number }) => !acknowledged.has(number))
}

function messageOf(flight: Flight): Message {
  return {
    topic: TOPIC,
    tag: latenessOf(flight),
    keys: [flight.origin, flight.destination, flightKey(flight)],
    body: JSON.stringify(flight),
  }
}
