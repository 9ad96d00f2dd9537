/** Waits until nothing is open, or says what is. */
import { z } from 'zod'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { parseOptions } from '../model/parse-options.ts'
import type { QueueProgress } from '../model/results.ts'
import { realTime } from '../model/system-clock.ts'
import { type Duration, toMs } from './duration.ts'
import { SEND_VERBS } from './engine-verbs.ts'
import { timeText } from './explain/gate.ts'
import type { InstanceView } from './explain/instance-view.ts'
import { isBroadcasting, stillCounts } from './explain/scene.ts'
import { isPassedBy, restsUntil, whyNotDelivered } from './explain.ts'
import type { LedgerEventType } from './ledger.ts'
import { TRANSACTION_CHECK } from './life.ts'

export interface SettledOptions {
  /**
   * What is due up to this long from now is waited for, and time is moved for it; what is due later does not count. Default
   * 0: only what can happen now.
   */
  readonly horizon?: Duration | undefined
  /**
   * Real milliseconds after which the answer is no. Default: 1000 in which time has not moved, however long the way through the
   * horizon takes.
   */
  readonly deadlineMs?: number | undefined
}

/** Something that is not done, and what it waits for. */
export interface OpenItem {
  readonly group?: string
  readonly topic: string
  readonly messageId?: string
  /** Why it is open, in words. */
  readonly gate: string
}

const schema = z.strictObject({
  horizon: z.custom<Duration>().default(0),
  deadlineMs: z.number().min(0).optional(),
})
/** Messages of one queue of a group that are named. */
const NAMED_COUNT = 5
const POLL_MS = 2
const PATIENCE_MS = 1000

export async function settle(view: InstanceView, options: SettledOptions): Promise<void> {
  const { clock } = view
  const parsed = parseOptions('SettledOptions', schema, options)
  const endTimestamp = clock.now() + toMs(parsed.horizon)
  const endMs = realTime.nowMs() + (parsed.deadlineMs ?? Number.POSITIVE_INFINITY)
  let stillSinceMs = realTime.nowMs()
  for (let lastTimestamp = clock.now(); ; ) {
    await clock.rest()
    if (clock.now() !== lastTimestamp) {
      lastTimestamp = clock.now()
      stillSinceMs = realTime.nowMs()
    }
    const nowMs = realTime.nowMs()
    if (nowMs >= endMs && (await isOpenOrDue(view, endTimestamp)))
      throw notSettled(await openItems(view, endTimestamp))
    const due = clock.nextScheduled() ?? Number.POSITIVE_INFINITY
    if (due > clock.now() && due <= endTimestamp) {
      await clock.runNextBy(endTimestamp)
      continue
    }
    // What is due and was not done cannot be done now, and is tried again later.
    if (due > clock.now() && !(await isOpen(view, endTimestamp))) return
    if (nowMs - stillSinceMs >= PATIENCE_MS) throw notSettled(await openItems(view, endTimestamp))
    // What failed is tried again after a while; nobody scheduled that, but time brings it.
    if (endTimestamp > clock.now() && (await clock.runNextTimer(endTimestamp))) continue
    // At rest and open: only the application itself can change that.
    await realTime.sleep(POLL_MS)
  }
}

async function isOpenOrDue(view: InstanceView, endTimestamp: number): Promise<boolean> {
  const due = view.clock.nextScheduled() ?? Number.POSITIVE_INFINITY
  return due <= endTimestamp || (await isOpen(view, endTimestamp))
}

async function isOpen(view: InstanceView, endTimestamp: number): Promise<boolean> {
  const { engine, life } = view
  if (life.calls.size > 0 || isSending(view) || isChecking(view)) return true
  for (const group of await groupsWithMembers(engine)) {
    for await (const _ of openMessages(view, group, endTimestamp)) return true
  }
  return false
}

/** A message that is not consumed, and in a broadcasting group the member that has not consumed it. */
interface OpenMessage {
  readonly message: MessageView
  readonly clientId: string | undefined
}

/**
 * What the group has not consumed, but for what it will pass by, since its offset follows a little later, and for what only time
 * beyond the horizon brings: that is not open, as a retry is not that is due then.
 */
async function* openMessages(
  view: InstanceView,
  group: string,
  endTimestamp: number,
): AsyncIterable<OpenMessage> {
  for (const { queue, clientId, consumerOffset, brokerOffset } of await lagging(view, group)) {
    const from = Math.max(consumerOffset, await view.engine.minOffset(queue))
    for (let offset = from; offset < brokerOffset; offset++) {
      const message = await view.engine.viewMessage(queue, offset)
      if (isPassedBy(view, message, group, clientId)) continue
      const restEnd = (await restsUntil(view, message, group, clientId)) ?? Number.NEGATIVE_INFINITY
      if (restEnd <= endTimestamp) yield { message, clientId }
    }
  }
}

/** The queues in which the members that share them, or a broadcasting member that is there, have not consumed everything. */
async function lagging({ engine, broker }: InstanceView, group: string): Promise<QueueProgress[]> {
  const members = broker.registrations(group)
  const isShared = members.some((member) => !isBroadcasting(member))
  const online = new Set(members.map(({ clientId }) => clientId))
  const { queues } = await engine.consumerProgress(group)
  return queues.filter(
    ({ lag, clientId }) => lag > 0 && (clientId === undefined ? isShared : online.has(clientId)),
  )
}

async function groupsWithMembers(engine: Engine): Promise<string[]> {
  const groups = (await engine.queryGroups()).map(({ group }) => group)
  const members = await Promise.all(groups.map((group) => engine.queryConsumerIds(group)))
  return groups.filter((_, index) => members[index]!.length > 0)
}

async function openItems(view: InstanceView, endTimestamp: number): Promise<OpenItem[]> {
  const items: OpenItem[] = isSending(view) ? unansweredSends(view) : []
  const due = view.clock.nextScheduled()
  if (due !== undefined) items.push({ topic: '', gate: `the next thing is due at ${timeText(due)}` })
  if (isChecking(view)) items.push({ topic: '', gate: 'a transactionChecker has not answered' })
  for (const group of await groupsWithMembers(view.engine))
    items.push(...(await openItemsOf(view, group, endTimestamp)))
  return [...items, ...abandonedCalls(view)]
}

function isSending({ life }: InstanceView): boolean {
  return ['publishRoute', ...SEND_VERBS].some((verb) => life.pendingCount(verb) > 0)
}

function isChecking({ life }: InstanceView): boolean {
  return life.pendingCount(TRANSACTION_CHECK) > 0
}

const SEND_ENDS: ReadonlySet<LedgerEventType> = new Set(['stored', 'deduplicated', 'send-failed'])

/** Sends of which the ledger saw the beginning and not the end. */
function unansweredSends({ ledger }: InstanceView): OpenItem[] {
  const ended = new Set(
    ledger.entries.filter(({ type }) => SEND_ENDS.has(type)).map(({ messageId }) => messageId),
  )
  return ledger
    .of('sent')
    .filter(({ messageId }) => !ended.has(messageId))
    .slice(0, NAMED_COUNT)
    .map(({ topic, messageId }) => ({ topic, messageId, gate: 'its send has not been answered' }))
}

async function openItemsOf(view: InstanceView, group: string, endTimestamp: number): Promise<OpenItem[]> {
  const items: OpenItem[] = []
  const counts = new Map<string, { readonly queue: MessageQueue; count: number }>()
  for await (const { message, clientId } of openMessages(view, group, endTimestamp)) {
    const { topic, messageId, queue } = message
    const key = `${clientId ?? ''}@${queueKey(queue)}`
    const counted = counts.get(key) ?? { queue, count: 0 }
    counts.set(key, counted)
    counted.count += 1
    if (counted.count > NAMED_COUNT) continue
    items.push({ group, topic, messageId, gate: await whyNotDelivered(view, message, group, clientId) })
  }
  for (const { queue, count } of counts.values()) {
    const more = count - NAMED_COUNT
    if (more > 0) items.push({ group, topic: queue.topic, gate: `${more} more in queue ${queue.queueId}` })
  }
  return items
}

/** Listeners that go on although nobody waits for them any more: their time was over. */
function abandonedCalls({ life, clock }: InstanceView): OpenItem[] {
  return [...life.calls]
    .filter((call) => !stillCounts(call, clock.monotonicMs()))
    .map(({ group, clientId, messages, startedTimestamp }) => {
      const { topic, messageId } = messages[0]!
      const since = timeText(startedTimestamp)
      return {
        group,
        topic,
        messageId,
        gate: `a listener of '${clientId}' goes on since ${since}, past its timeout`,
      }
    })
}

function notSettled(items: readonly OpenItem[]): MQError {
  const lines = items.map(({ group, topic, messageId, gate }) => {
    const subject = [topic, messageId, group === undefined ? '' : `for group '${group}'`].filter(Boolean)
    return `  ${subject.length === 0 ? '' : `${subject.join(' ')}: `}${gate}`
  })
  return new MQError('NOT_SETTLED', ['Not settled; still open:', ...lines].join('\n'))
}
