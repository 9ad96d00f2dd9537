/** The settings of a test instance. */
import { z } from 'zod'
import { invalidParameter } from '../model/errors.ts'
import { parseOptions } from '../model/parse-options.ts'
import { OPEN_OPTION_NAMES, type OpenOptions } from '../open-options.ts'
import { LINT_CODES, type LintCode } from './lint/rules.ts'

/** What `createTestMQ` takes: what `PocketMQ.open` takes, without what a test instance brings, and more. */
export interface TestMQOptions extends Omit<OpenOptions, 'storage' | 'clock' | 'random' | 'keepAlive'> {
  /** The wall time at the start: a date or milliseconds since 1970. Default 2027-01-01T00:00:00Z. */
  readonly startTime?: Date | number | undefined
  /** Makes message ids, random choices and, where they are asked for, schedules and faults. Default 1. */
  readonly seed?: number | undefined
  /**
   * `'calm'`, the default: things happen in the order in which they were asked for. `'nasty'`: in one of the orders that
   * a cluster may show as well, with messages delivered twice and queues changing hands, as the seed says.
   */
  readonly schedule?: 'calm' | 'nasty' | undefined
  /**
   * What to do about code that works here and breaks on a RocketMQ cluster: `'off'`, the default; `'warn'`: list it in
   * `mq.lint` and warn by the logger; `'throw'`: also refuse it where that is possible, and reject `close` with the list.
   * As an object it also takes `ignore`, the codes of rules that are switched off; docs/linter.md lists them.
   */
  readonly strict?:
    | LintLevel
    | { readonly level: LintLevel; readonly ignore?: readonly LintCode[] }
    | undefined
  /**
   * Real milliseconds for which time stands still for a listener that waits for something real, such as a database.
   * Default 1000. Listeners that hang on purpose cost this once each.
   */
  readonly patienceMs?: number | undefined
  /** Milliseconds of processor time without a pause and without time moving, after which it does so too. Default 3000. */
  readonly runawayMs?: number | undefined
  /** Turns without time moving after which the clock rejects with `CLOCK_RUNAWAY`. Default 10,000. */
  readonly runawayLimit?: number | undefined
}

/** What happens with what the linter finds. */
type LintLevel = z.output<typeof lintLevel>

/** Message ids and store times have room up to the year 2100. */
const LATEST_START = Date.UTC(2100, 0, 1)

const lintLevel = z.enum(['off', 'warn', 'throw'])
const lintSettings = z.strictObject({ level: lintLevel, ignore: z.array(z.enum(LINT_CODES)).default([]) })

const schema = z.strictObject({
  startTime: z
    .union([z.date().min(new Date(0)).max(new Date(LATEST_START)), z.int().min(0).max(LATEST_START)])
    .default(Date.UTC(2027, 0, 1)),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  schedule: z.enum(['calm', 'nasty']).default('calm'),
  strict: lintSettings.prefault({ level: 'off' }),
  patienceMs: z.number().min(0).default(1000),
  runawayLimit: z.int().min(1).default(10_000),
  runawayMs: z.number().min(1).default(3000),
})

/** Looked at before anything else, so that a misspelt option is held against all that there are. */
const knownNames = z.strictObject(
  Object.fromEntries(
    [...Object.keys(schema.shape), ...OPEN_OPTION_NAMES].map((name) => [name, z.unknown().optional()]),
  ),
)

/** The settings of a test instance that are not the engine's, complete. */
export interface CompleteTestOptions extends Readonly<Omit<z.output<typeof schema>, 'startTime'>> {
  readonly startTimestamp: number
}

/** Checks and completes; what is left is for `PocketMQ.open`. */
export function parseTestOptions(
  options: TestMQOptions,
): readonly [test: CompleteTestOptions, open: Omit<TestMQOptions, keyof z.output<typeof schema>>] {
  if (typeof options !== 'object' || options === null)
    throw invalidParameter('TestMQOptions: give an object, or nothing.')
  for (const name of ['storage', 'clock', 'random', 'keepAlive'])
    if (name in options) throw invalidParameter(`TestMQOptions: a test instance brings its own ${name}.`)
  parseOptions('TestMQOptions', knownNames, options)
  const { startTime, seed, schedule, strict, patienceMs, runawayLimit, runawayMs, ...open } = options
  if (typeof strict === 'boolean')
    throw invalidParameter(`TestMQOptions, strict: expected 'off', 'warn' or 'throw', not ${strict}.`)
  const lint = typeof strict === 'string' ? { level: strict } : strict
  const own = { startTime, seed, schedule, strict: lint, patienceMs, runawayLimit, runawayMs }
  const parsed = parseOptions('TestMQOptions', schema, own)
  return [{ ...parsed, startTimestamp: Number(parsed.startTime) }, open]
}
