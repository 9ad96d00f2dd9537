/** Runs a test under many seeds, each of which makes another legal order of what happens. */
import { env } from 'node:process'
import { z } from 'zod'
import { invalidParameter, MQError } from '../model/errors.ts'
import { parseOptions } from '../model/parse-options.ts'
import { TestMQ } from './test-mq.ts'
import type { TestMQOptions } from './test-options.ts'
import { TestSession } from './test-session.ts'

/** What {@link explore} takes besides the settings of each instance, which runs in memory with `schedule: 'nasty'`. */
export interface ExploreOptions extends Omit<TestMQOptions, 'schedule' | 'path'> {
  /** How many seeds to run, from 1 on. Default 100. */
  readonly seeds?: number | undefined
  /** Runs this seed only, to replay it. Instead of `seeds`. */
  readonly seed?: number | undefined
}

/** The variable of the environment that names the one seed to run, whatever the options say. */
const SEED_VARIABLE = 'POCKETMQ_SEED'
/** Of what the schedule did, so much is told. */
const TOLD_NOTES = 20

const seedSchema = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const schema = z.strictObject({
  seeds: z.int().min(1).max(Number.MAX_SAFE_INTEGER).default(100),
  seed: seedSchema.optional(),
})

/**
 * Runs a test body once for each seed, on a fresh test instance whose schedule is nasty: deliveries in other orders,
 * messages delivered twice, acknowledgements lost, queues that change hands. What holds under all of them will hold on a
 * cluster too.
 *
 * Rejects with `EXPLORE_FAILED` for the first seed under which the body fails; the message says how to replay it, and `cause` is
 * what the body threw. Each instance is closed when its body ends, however it ends. The variable `POCKETMQ_SEED` of the
 * environment runs one seed only. Rejects with `INVALID_PARAMETER` for wrong options.
 *
 * @example
 * ```ts
 * import { deepEqual } from 'node:assert/strict'
 * import { explore } from 'pocketmq/testing'
 * await explore({ seeds: 20 }, async (mq) => {
 *   const billed = new Set<string>()
 *   await mq.createPushConsumer({
 *     group: 'billing',
 *     subscriptions: { orders: '*' },
 *     listener: (message) => void billed.add(message.messageId),
 *   })
 *   const producer = await mq.createProducer({ group: 'shop' })
 *   for (const body of ['a', 'b', 'c']) await producer.send({ topic: 'orders', body })
 *   await mq.settled()
 *   deepEqual(billed.size, 3)
 * })
 * ```
 */
export async function explore(options: ExploreOptions, body: (mq: TestMQ) => unknown): Promise<void> {
  if (typeof options !== 'object' || options === null) throw invalidParameter('explore: give options, or {}.')
  if (typeof body !== 'function') throw invalidParameter('explore: give the test to run as a function.')
  const { seeds, seed, ...settings } = options
  for (const name of ['schedule', 'path'])
    if (name in settings) throw invalidParameter(`explore: it brings its own ${name}; leave it out.`)
  for (const each of seedsToRun({ seeds, seed })) {
    await run(TestSession.of({ ...settings, seed: each, schedule: 'nasty' }), body)
  }
}

function* seedsToRun(options: Pick<ExploreOptions, 'seeds' | 'seed'>): Iterable<number> {
  const { seeds, seed } = parseOptions('ExploreOptions', schema, options)
  if (options.seeds !== undefined && seed !== undefined)
    throw invalidParameter('ExploreOptions: seed names one seed; leave out seeds.')
  const only = seedOfEnvironment() ?? seed
  if (only !== undefined) yield only
  else for (let each = 1; each <= seeds; each++) yield each
}

function seedOfEnvironment(): number | undefined {
  const text = env[SEED_VARIABLE]
  if (text === undefined || text === '') return undefined
  const { success, data } = seedSchema.safeParse(Number(text))
  if (!success) throw invalidParameter(`${SEED_VARIABLE}: give a whole number, not '${text}'.`)
  return data
}

async function run(session: TestSession, body: (mq: TestMQ) => unknown): Promise<void> {
  await TestMQ.begin(session)
  let failure: { readonly cause: unknown } | undefined
  try {
    await body(session.instance!)
  } catch (cause) {
    failure = { cause }
  }
  try {
    await session.instance!.close()
  } catch (cause) {
    failure ??= { cause }
  }
  if (failure !== undefined) throw failed(session, failure.cause)
}

function failed({ options, schedule }: TestSession, cause: unknown): MQError {
  const { seed } = options
  const notes = schedule?.notes ?? []
  const lines = [
    `Seed ${seed} fails; replay it with explore({ seed: ${seed} }, ...) or ${SEED_VARIABLE}=${seed}.`,
    MQError.from(cause).message,
    ...(notes.length === 0
      ? []
      : ['What the schedule did:', ...notes.slice(-TOLD_NOTES).map((note) => `  ${note}`)]),
  ]
  return new MQError('EXPLORE_FAILED', lines.join('\n'), { cause })
}
