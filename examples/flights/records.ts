/**
 * What happened, written down outside the store: a line for every acknowledged send and for every delivery, in files of
 * their own. A line is written at once by the process, so a kill cannot take it back, and the report can be independent.
 */
import { existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** One call of a group's listener. */
export interface Delivery {
  readonly group: string
  /** The number of the flight. */
  readonly flight: number
  /** 1 at the first delivery, one more at each retry. */
  readonly attempt: number
}

export class Records {
  readonly #acknowledgedFile: string
  readonly #deliveredFile: string
  readonly #acknowledged: number
  readonly #delivered: number

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true })
    this.#acknowledgedFile = join(directory, 'acknowledged.log')
    this.#deliveredFile = join(directory, 'delivered.log')
    this.#acknowledged = openSync(this.#acknowledgedFile, 'a')
    this.#delivered = openSync(this.#deliveredFile, 'a')
  }

  recordAcknowledged(flight: number): void {
    writeSync(this.#acknowledged, `${flight}\n`)
  }

  recordDelivery({ group, flight, attempt }: Delivery): void {
    writeSync(this.#delivered, `${group} ${flight} ${attempt}\n`)
  }

  /** The numbers of all flights whose sends were acknowledged. */
  acknowledged(): Set<number> {
    return new Set(linesOf(this.#acknowledgedFile).map(Number))
  }

  deliveries(): Delivery[] {
    return linesOf(this.#deliveredFile).map((line) => {
      const [group = '', flight, attempt] = line.split(' ')
      return { group, flight: Number(flight), attempt: Number(attempt) }
    })
  }
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}
