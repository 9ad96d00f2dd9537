/** Waits until nothing is open, or says what is. */
import { z } from 'zod'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { queueKey } from '../model/message-queue.ts'
import { parseOptions } from '../model/parse-options.ts'
import type { QueueProgress } from '../model/results.ts'
import { realTime } from '../model/system-clock.ts'
import { type InstanceView, whyNotDelivered } from './explain.ts'
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
/** Messages of one queue that are named. */
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
    // At rest and open: only the application itself can change that.
    await realTime.sleep(POLL_MS)
  }
}

async function isOpen({ engine, life }: InstanceView): Promise<boolean> {
  if (life.calls.size > 0 || life.pendingCount('sendMessage') > 0) return true
  for (const group of await groupsWithMembers(engine)) {
    if ((await lagging(engine, group)).length > 0) return true
  }
  return false
}

/** The queues in which a group, or a broadcasting member that is there, has not consumed everything. */
async function lagging(engine: Engine, group: string): Promise<QueueProgress[]> {
  const online = await engine.queryConsumerIds(group)
  const { queues } = await engine.consumerProgress(group)
  return queues.filter(
    ({ lag, clientId }) => lag > 0 && (clientId === undefined || online.includes(clientId)),
  )
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
  return items
}

async function openItemsOf(view: InstanceView, group: string): Promise<OpenItem[]> {
  const items: OpenItem[] = []
  for (const { queue, consumerOffset, brokerOffset } of await lagging(view.engine, group)) {
    const from = Math.max(consumerOffset, await view.engine.minOffset(queue))
    const to = Math.min(brokerOffset, from + NAMED_COUNT)
    for (let offset = from; offset < to; offset++) {
      const message = await view.engine.viewMessage(queue, offset)
      const { topic, messageId } = message
      items.push({ group, topic, messageId, gate: await gateOf(view, message, group) })
    }
    if (brokerOffset > to) {
      items.push({ group, topic: queue.topic, gate: `${brokerOffset - to} more in queue ${queue.queueId}` })
    }
  }
  return items
}

async function gateOf(view: InstanceView, message: MessageView, group: string): Promise<string> {
  const { calls } = view.life
  for (const call of calls) {
    const isIn = call.messages.some(
      ({ queue, queueOffset }) =>
        queueOffset === message.queueOffset && queueKey(queue) === queueKey(message.queue),
    )
    if (isIn && call.group === group) return `in the listener of '${call.clientId}', which has not settled`
  }
  return whyNotDelivered(view, message, group)
}

function notSettled(items: readonly OpenItem[]): MQError {
  const lines = items.map(
    ({ group, topic, messageId, gate }) =>
      `  ${[topic, messageId, group === undefined ? '' : `for group '${group}'`].filter(Boolean).join(' ')}: ${gate}`,
  )
  return new MQError('NOT_SETTLED', ['Not settled; still open:', ...lines].join('\n'))
}
