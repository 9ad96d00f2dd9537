/**
 * The ledger as plain values that are the same in every run, for `toMatchSnapshot`, `assert.snapshot` and `deepEqual`.
 *
 * - Ids become `message-1`, `message-2`, in the order in which the messages first appear; also where a body or a reason
 *   names them.
 * - Events stand with their message rather than in one list, and at the same time in one order: the send before what
 *   groups did, group by group. How else they interleave is nobody's promise.
 * - Times become offsets from the first event of their message. They are kept because virtual time is exact, and the
 *   intervals of retries are worth guarding.
 * - Queues, offsets and client ids are left out: which queue a message takes, and whose turn it is, says nothing about
 *   the application. So are the texts of send errors, of which only codes are promised.
 */
import { isUtf8 } from 'node:buffer'
import { isMeant } from './assertions/differences.ts'
import { evidenceOf } from './assertions/evidence.ts'
import { livesIn, type MessageLife } from './assertions/message-life.ts'
import { type MessageMatcher, parseMatcher } from './assertions/message-matcher.ts'
import { formatOffset } from './assertions/offset.ts'
import type { LedgerEntry, LedgerEventType } from './ledger.ts'
import type { TestMQ } from './test-mq.ts'

/** What happened to one message, without what differs from run to run. */
export interface MessageSnapshot {
  /** Stands for its id: `message-1`. */
  readonly message: string
  readonly topic: string
  readonly tag?: string
  readonly keys?: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
  readonly messageGroup?: string
  /** The body as text, or as `base64:...` when it is none; left out when there is `json`. */
  readonly body?: string
  /** The body when it is a JSON object or array. */
  readonly json?: unknown
  readonly life: readonly EventSnapshot[]
}

/** One thing that happened to a message; further fields depend on what it was, as in the ledger. */
export interface EventSnapshot {
  /** How long after the first event of the message: `+0s`, `+10s`, `+1h30m`. */
  readonly at: string
  readonly type: LedgerEventType
  readonly [detail: string]: unknown
}

/** Fields of entries that tell of this run only, or that the message itself has. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'number',
  'timestamp',
  'messageId',
  'topic',
  'type',
  'queue',
  'queueOffset',
  'clientId',
  'deadLetterTopic',
  'tag',
  'keys',
  'properties',
  'messageGroup',
  'body',
])

/** What stands for an id that is not in the snapshot. */
const OTHER_ID = 'another-message'

/**
 * A stable, plain form of the ledger: what happened to every message, also to those whose send failed, or to the messages
 * that a matcher means.
 *
 * @example
 * ```ts
 * import { deepEqual } from 'node:assert/strict'
 * import { createTestMQ, snapshotOf } from 'pocketmq/testing'
 * await using mq = await createTestMQ()
 * const producer = await mq.createProducer({ group: 'shop' })
 * await producer.send({ topic: 'orders', body: 'order 1' })
 *
 * deepEqual(snapshotOf(mq, { topic: 'orders' }), [
 *   {
 *     message: 'message-1',
 *     topic: 'orders',
 *     body: 'order 1',
 *     life: [
 *       { at: '+0s', type: 'sent', producerGroup: 'shop' },
 *       { at: '+0s', type: 'stored', status: 'SEND_OK' },
 *     ],
 *   },
 * ])
 * ```
 */
export function snapshotOf(mq: TestMQ, of?: string | MessageMatcher): MessageSnapshot[] {
  const { ledger } = evidenceOf(mq)
  const lives = livesIn(ledger)
  const matcher = of === undefined ? undefined : parseMatcher(of)
  const chosen = matcher === undefined ? lives : lives.filter((life) => isMeant(matcher, life))
  const names = new Map(lives.map(({ messageId }) => [messageId, OTHER_ID]))
  for (const [index, { messageId }] of chosen.entries()) names.set(messageId, `message-${index + 1}`)
  const replaceIds = idReplacer(names)
  return chosen.map((life) => snapshotOfLife(life, replaceIds))
}

function snapshotOfLife(life: MessageLife, replaceIds: <T>(value: T) => T): MessageSnapshot {
  const { messageId, topic, content, entries } = life
  const start = entries[0]!.timestamp
  return {
    message: replaceIds(messageId),
    topic,
    ...(content?.tag !== undefined && { tag: content.tag }),
    ...(content !== undefined && content.keys.length > 0 && { keys: replaceIds(content.keys) }),
    ...(content !== undefined &&
      Object.keys(content.properties).length > 0 && { properties: replaceIds(content.properties) }),
    ...(content?.messageGroup !== undefined && { messageGroup: replaceIds(content.messageGroup) }),
    ...(content !== undefined && replaceIds(snapshotOfBody(content.body))),
    life: entries.map((entry) => replaceIds(snapshotOfEvent(entry, start))),
  }
}

function snapshotOfBody(body: Buffer): Pick<MessageSnapshot, 'body' | 'json'> {
  if (!isUtf8(body)) return { body: `base64:${body.toString('base64')}` }
  const text = body.toString()
  const json = parseStructure(text)
  return json === undefined ? { body: text } : { json }
}

/** Numbers and the like stay text: they are JSON by accident. */
function parseStructure(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function snapshotOfEvent(entry: LedgerEntry, start: number): EventSnapshot {
  const details = Object.entries(entry).filter(([name, value]) => !LEFT_OUT.has(name) && value !== undefined)
  return {
    at: formatOffset(entry.timestamp - start),
    type: entry.type,
    ...Object.fromEntries(details.map(([name, value]) => detailOf(name, value, start))),
  }
}

function detailOf(name: string, value: unknown, start: number): readonly [string, unknown] {
  if (name === 'dueTimestamp') return ['due', formatOffset((value as number) - start)]
  if (name === 'error') return ['error', (value as { readonly code: string }).code]
  return [name, value]
}

/** Replaces ids wherever text names them, at every depth. */
function idReplacer(names: ReadonlyMap<string, string>): <T>(value: T) => T {
  const anyId = /01[0-9A-F]{32}/g
  const replace = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(anyId, (id) => names.get(id) ?? id)
    if (Array.isArray(value)) return value.map(replace)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [replace(name), replace(field)]))
  }
  return replace as <T>(value: T) => T
}
