/** Reads what a topic holds with the eyes of a schema, before a consumer does. One message is in memory at a time, and the first failures. */
import { z } from 'zod'
import { type CheckedValue, checkBody, unanswered } from '../model/check-value.ts'
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { SAFE_INTEGER_MAX, SCHEMA_TIMEOUT_MS } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { parseOptions } from '../model/parse-options.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import { checkGroupName } from '../model/topic.ts'
import { TypedTopic } from '../model/typed-topic.ts'

/** What of a topic is verified. */
export interface VerifyTopicOptions {
  /** Only what this group has not consumed yet. Default: everything that is stored. */
  readonly group?: string | undefined
  /** Most messages to look at, the oldest of each queue first, queues taking turns. Default: all. */
  readonly max?: number | undefined
  /** Most failing messages to answer. Default 10; they are kept in memory. */
  readonly maxFailures?: number | undefined
  /** Ends the scan, which then rejects with `ABORTED`. */
  readonly signal?: AbortSignal | undefined
}

/** A stored message that a schema does not let pass. */
export interface SchemaFailure {
  readonly message: MessageView
  /** `SCHEMA_MISMATCH` with its `issues`; or `INVALID_PARAMETER` when the schema itself failed. */
  readonly error: MQError
}

/** What a schema says to the messages of a topic. */
export interface TopicVerification {
  readonly topic: string
  /** Messages that were looked at. */
  readonly verifiedCount: number
  /** Those among them that the schema does not let pass. */
  readonly failedCount: number
  /** The first of these. */
  readonly failures: readonly SchemaFailure[]
  /** Whether it looked at everything that was stored when it began; false when `max` was less. */
  readonly isComplete: boolean
}

/** The part of a queue that is not looked at yet. */
interface Cursor {
  readonly queue: MessageQueue
  offset: number
  readonly end: number
}

/** Messages between two looks at the signal, after which others have their turn. */
const MESSAGES_PER_TURN = 256

const count = z.int().min(0).max(SAFE_INTEGER_MAX)
const schema = z.strictObject({
  group: z.string().optional(),
  max: count.default(SAFE_INTEGER_MAX),
  maxFailures: count.default(10),
  signal: z.instanceof(AbortSignal).optional(),
})

export async function verifyTopic(
  engine: Engine,
  topic: TypedTopic,
  options: VerifyTopicOptions,
): Promise<TopicVerification> {
  if (!(topic instanceof TypedTopic)) throw invalidParameter('verifyTopic needs what defineTopic answered.')
  const { group, max, maxFailures, signal } = parseOptions('VerifyTopicOptions', schema, options)
  if (group !== undefined) await checkGroup(engine, group)
  const failures: SchemaFailure[] = []
  let verifiedCount = 0
  let failedCount = 0
  const cursors = await openCursors(engine, topic.name, group)
  for await (const message of readInTurn(engine, cursors, signal)) {
    if (verifiedCount === max)
      return { topic: topic.name, verifiedCount, failedCount, failures, isComplete: false }
    verifiedCount += 1
    const { error } = await inTime(checkBody(topic, message), engine, signal)
    if (error === undefined) continue
    failedCount += 1
    if (failures.length < maxFailures) failures.push({ message, error })
  }
  return { topic: topic.name, verifiedCount, failedCount, failures, isComplete: true }
}

async function checkGroup(engine: Engine, group: string): Promise<void> {
  checkGroupName(group)
  const groups = await engine.queryGroups()
  if (groups.some((config) => config.group === group)) return
  throw new MQError('SUBSCRIPTION_GROUP_NOT_EXIST', `The group '${group}' does not exist.`)
}

async function openCursors(engine: Engine, topic: string, group: string | undefined): Promise<Cursor[]> {
  const queues = await engine.queryTopicStatus(topic)
  return Promise.all(
    queues.map(async ({ queue, minOffset, maxOffset }) => {
      const consumed = group === undefined ? undefined : await engine.queryConsumerOffset(group, queue)
      return { queue, offset: Math.max(minOffset, consumed ?? 0), end: maxOffset }
    }),
  )
}

/** One message of each queue, again and again, until all are at their ends. */
async function* readInTurn(
  engine: Engine,
  cursors: readonly Cursor[],
  signal: AbortSignal | undefined,
): AsyncGenerator<MessageView, void, undefined> {
  let live = cursors.filter(({ offset, end }) => offset < end)
  let readCount = 0
  while (live.length > 0) {
    for (const cursor of live) {
      if (readCount++ % MESSAGES_PER_TURN === 0) await rest(engine, signal)
      const message = await readNext(engine, cursor)
      if (message !== undefined) yield message
    }
    live = live.filter(({ offset, end }) => offset < end)
  }
}

/** What retention removes meanwhile is passed over. */
async function readNext(engine: Engine, cursor: Cursor): Promise<MessageView | undefined> {
  try {
    return await engine.viewMessage(cursor.queue, cursor.offset++)
  } catch (error) {
    if (!(error instanceof MQError) || error.code !== 'NO_MESSAGE') throw error
    cursor.offset = Math.max(cursor.offset, await engine.minOffset(cursor.queue))
    return undefined
  }
}

async function rest({ clock }: Engine, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => clock.defer(resolve))
  if (signal?.aborted) throw aborted(signal)
}

function aborted(signal: AbortSignal | undefined): MQError {
  return new MQError('ABORTED', 'The signal has fired.', { cause: signal?.reason })
}

/** Waits for a schema that answers later, for a while, or until the signal fires. What takes longer counts as a schema that failed. */
function inTime(
  answer: CheckedValue | Promise<CheckedValue>,
  { clock }: Engine,
  signal: AbortSignal | undefined,
): CheckedValue | Promise<CheckedValue> {
  if (!(answer instanceof Promise)) return answer
  return new Promise((resolve, reject) => {
    const end = (): void => {
      timer.cancel()
      unlisten(signal, onAbort)
    }
    const onAbort = (): void => {
      end()
      reject(aborted(signal))
    }
    const timer = clock.setTimer(SCHEMA_TIMEOUT_MS, () => {
      end()
      resolve(unanswered())
    })
    listen(signal, onAbort)
    if (signal?.aborted) onAbort()
    void answer.then(resolve).finally(end)
  })
}
