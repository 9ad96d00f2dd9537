/** Waits until nothing is open, or says what is. */
import { z } from 'zod'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { parseOptions } from '../model/parse-options.ts'
import { realTime } from '../model/system-clock.ts'
import { timeText } from './explain/gate.ts'
import type { InstanceView } from './explain/instance-view.ts'
import { isPassedBy, whyNotDelivered } from './explain.ts'
import { type Duration, toMs } from './virtual-clock.ts'

export interface SettledOptions {
  /**
   * What is due up to this long from now is waited for, and time is moved for it; what is due later does not count. Default
   * 0: only what can happen now.
   */
  readonly horizon?: Duration | undefined
  /** Real milliseconds after which the answer is no. Default 1000. */
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
  deadlineMs: z.number().min(0).default(1000),
})
/** Messages of one queue of a group that are named. */
const NAMED_COUNT = 5
const POLL_MS = 2

export async function settle(view: InstanceView, options: SettledOptions): Promise<void> {
  const { clock } = view
  const parsed = parseOptions('SettledOptions', schema, options)
  const endTimestamp = clock.now() + toMs(parsed.horizon)
  const deadlineMs = realTime.nowMs() + parsed.deadlineMs
  for (;;) {
    await clock.rest()
    const due = clock.nextScheduled() ?? Number.POSITIVE_INFINITY
    if (due > clock.now() && due <= endTimestamp) {
      await clock.runNext()
      continue
    }
    // What is due and was not done cannot be done now, and is tried again later.
    if (due > clock.now() && !(await isOpen(view))) return
    if (realTime.nowMs() >= deadlineMs) throw notSettled(await openItems(view))
    // What failed is tried again after a while; nobody scheduled that, but time brings it.
    if (endTimestamp > clock.now() && (await clock.runNextTimer(endTimestamp))) continue
    // At rest and open: only the application itself can change that.
    await realTime.sleep(POLL_MS)
  }
}

async function isOpen(view: InstanceView): Promise<boolean> {
  const { engine, life } = view
  if (life.calls.size > 0 || life.pendingCount('sendMessage') > 0) return true
  for (const group of await groupsWithMembers(engine)) {
    for await (const _ of openMessages(view, group)) return true
  }
  return false
}

/** What the group has not consumed, but for what it will pass by: its offset follows a little later. */
async function* openMessages(view: InstanceView, group: string): AsyncIterable<MessageView> {
  const { queues } = await view.engine.consumerProgress(group)
  for (const { queue, consumerOffset, brokerOffset, lag } of queues) {
    if (lag === 0) continue
    const from = Math.max(consumerOffset, await view.engine.minOffset(queue))
    for (let offset = from; offset < brokerOffset; offset++) {
      const message = await view.engine.viewMessage(queue, offset)
      if (!isPassedBy(view, message, group)) yield message
    }
  }
}

async function groupsWithMembers(engine: Engine): Promise<string[]> {
  const groups = (await engine.queryGroups()).map(({ group }) => group)
  const members = await Promise.all(groups.map((group) => engine.queryConsumerIds(group)))
  return groups.filter((_, index) => members[index]!.length > 0)
}

async function openItems(view: InstanceView): Promise<OpenItem[]> {
  const items: OpenItem[] = []
  const sends = view.life.pendingCount('sendMessage')
  if (sends > 0) items.push({ topic: '', gate: `${sends} sends wait to be stored` })
  for (const group of await groupsWithMembers(view.engine)) items.push(...(await openItemsOf(view, group)))
  return [...items, ...abandonedCalls(view)]
}

async function openItemsOf(view: InstanceView, group: string): Promise<OpenItem[]> {
  const items: OpenItem[] = []
  const counts = new Map<MessageQueue, number>()
  for await (const message of openMessages(view, group)) {
    const { topic, messageId, queue } = message
    const count = (counts.get(queue) ?? 0) + 1
    counts.set(queue, count)
    if (count > NAMED_COUNT) continue
    items.push({ group, topic, messageId, gate: await whyNotDelivered(view, message, group) })
  }
  for (const [{ topic, queueId }, count] of counts) {
    const more = count - NAMED_COUNT
    if (more > 0) items.push({ group, topic, gate: `${more} more in queue ${queueId}` })
  }
  return items
}

/** Listeners that go on although nobody waits for them any more: their time was over. */
function abandonedCalls({ life, clock }: InstanceView): OpenItem[] {
  return [...life.calls]
    .filter(({ startedMs, consumeTimeoutMs }) => startedMs + consumeTimeoutMs <= clock.monotonicMs())
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
  const lines = items.map(
    ({ group, topic, messageId, gate }) =>
      `  ${[topic, messageId, group === undefined ? '' : `for group '${group}'`].filter(Boolean).join(' ')}: ${gate}`,
  )
  return new MQError('NOT_SETTLED', ['Not settled; still open:', ...lines].join('\n'))
}
