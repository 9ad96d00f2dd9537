/** The three groups that consume the flights: what each one wants, and what it refuses. */
import { type Flight, type Lateness, latenessOf } from './flight.ts'

/** Retries before a message becomes a dead letter. */
export const MAX_RETRIES = 3

/** Delay levels, short ones for a short job. Retries begin with the third and move up by one each time. */
export const DELAY_LEVELS = '10ms 20ms 50ms 100ms 200ms'

const ALWAYS = Number.POSITIVE_INFINITY

/** Airports whose gate systems never answer the first call. */
const SLOW_AIRPORTS: ReadonlySet<string> = new Set(['ORD', 'EWR', 'SFO'])
/** Refunds for such delays, in minutes, need a signature that no program can give. */
const SIGNATURE_DELAY = 180

export interface Group {
  readonly name: string
  /** The tag expression of its subscription. */
  readonly filter: string
  /** The same in our own words, so that the report does not rest on the filter. */
  wants(lateness: Lateness): boolean
  /** How often it refuses a flight before it accepts it. */
  refusals(flight: Flight): number
}

export const GROUPS: readonly Group[] = [
  {
    name: 'statistics',
    filter: '*',
    wants: () => true,
    refusals: () => 0,
  },
  {
    name: 'notices',
    filter: 'late || very-late',
    wants: (lateness) => lateness === 'late' || lateness === 'very-late',
    refusals: ({ origin }) => (SLOW_AIRPORTS.has(origin) ? 1 : 0),
  },
  {
    name: 'refunds',
    filter: 'very-late',
    wants: (lateness) => lateness === 'very-late',
    refusals: ({ delay }) => (delay >= SIGNATURE_DELAY ? ALWAYS : 0),
  },
]

/** What a group has to see, straight from the file. */
export interface Expected {
  readonly flights: number
  readonly retries: number
  readonly deadLetters: number
}

export function expectedOf(group: Group, flights: readonly Flight[]): Expected {
  const wanted = flights.filter((flight) => group.wants(latenessOf(flight)))
  const retries = wanted.map((flight) => Math.min(group.refusals(flight), MAX_RETRIES))
  return {
    flights: wanted.length,
    retries: retries.reduce((sum, count) => sum + count, 0),
    deadLetters: wanted.filter((flight) => group.refusals(flight) > MAX_RETRIES).length,
  }
}
