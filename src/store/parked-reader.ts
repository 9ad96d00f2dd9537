/** Reads the messages that lie with alarms; what is asked for in one turn is read by one call. */
import { deferMicrotask } from '../model/system-clock.ts'
import type { Databases } from './databases.ts'
import type { Alarm } from './fact.ts'
import { parkedKey } from './keyspace.ts'
import { openRow } from './row.ts'

/** Where a parked message lies. */
type Place = Pick<Alarm, 'id' | 'dueTimestamp'>

interface Waiting {
  readonly place: Place
  readonly resolve: (bytes: Buffer | undefined) => void
  readonly reject: (error: unknown) => void
}

export class ParkedReader {
  readonly #databases: Databases
  #waiting: Waiting[] = []

  constructor(databases: Databases) {
    this.#databases = databases
  }

  /** The bytes in the index, or `undefined` when there are none; rejects with `STORE_CORRUPTED` when they are damaged. */
  read(place: Place): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ place, resolve, reject }) === 1) deferMicrotask(() => void this.#readWaiting())
    })
  }

  async #readWaiting(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    const keys = waiting.map(({ place }) => parkedKey(place.dueTimestamp, place.id))
    try {
      const values = await this.#databases.index.level.getMany(keys)
      for (const [i, each] of waiting.entries()) answer(each, keys[i] as Buffer, values[i])
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}

function answer({ resolve, reject }: Waiting, key: Buffer, value: Buffer | undefined): void {
  try {
    resolve(value === undefined ? undefined : openRow(key, value))
  } catch (error) {
    reject(error)
  }
}
