/** 20,000 real flights within the United States in 2001, from the package vega-datasets. */
import { readFileSync } from 'node:fs'

export interface Flight {
  /** The place of the record in the file, from 0: what tells two flights apart. */
  readonly number: number
  readonly date: string
  /** Minutes behind schedule; negative when early. */
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

/** How late a flight was; the tag of its message. */
export type Lateness = 'early' | 'on-time' | 'late' | 'very-late'

/** Reads the first flights of the file. */
export function loadFlights(count: number): Flight[] {
  const file = new URL('../data/flights-20k.json', import.meta.resolve('vega-datasets'))
  const records = JSON.parse(readFileSync(file, 'utf8')) as Omit<Flight, 'number'>[]
  return records.slice(0, count).map((record, number) => ({ number, ...record }))
}

export function latenessOf({ delay }: Flight): Lateness {
  if (delay < 0) return 'early'
  if (delay < 15) return 'on-time'
  return delay < 60 ? 'late' : 'very-late'
}

/** The key by which exactly this flight is found; its airports are keys as well. */
export function flightKey({ number }: Flight): string {
  return `flight-${number}`
}
