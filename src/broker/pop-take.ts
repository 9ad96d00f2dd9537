/**
 * What a receive takes from one queue: the messages, the alarms that make them visible again, and the group's next offset.
 * All of it is one commit, so a message is either still there for the next receive or has an alarm.
 */
import type { PoppedMessage } from '../model/engine.ts'
import type { MessageView } from '../model/message.ts'
import type { PullResult } from '../model/results.ts'
import { isRetryTopic } from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import { joinBits, runBit } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { PopSource } from './pop-sources.ts'
import { readMessages } from './read-messages.ts'
import { receiptHandle, receiptPrefix } from './receipt-handle.ts'

/** What is wanted of one queue. */
export interface TakeOrder extends PopSource {
  readonly group: GroupEntry
  readonly maxCount: number
  readonly dueTimestamp: number
}

export interface Taken {
  readonly log: QueueLog
  /** The next offset of the group. */
  readonly offset: number
  readonly alarmsPut: readonly Alarm[]
  readonly alarmsCleared: readonly Alarm[]
  readonly messages: readonly PoppedMessage[]
}

/** Takes what has not been received; `undefined` when the group went elsewhere while it was read from the disk. */
export function takeNew(store: Store, order: TakeOrder): Taken | Promise<Taken | undefined> {
  return readOn(store, order, order.maxCount, (found) => {
    const { alarmsPut, messages } = makeRuns(store, order, found.messages)
    return { log: order.log, offset: found.nextBeginOffset, alarmsPut, alarmsCleared: [], messages }
  })
}

/** Reads on from where the group is, and plans what to take. */
export function readOn(
  store: Store,
  { group, log, filter }: TakeOrder,
  maxCount: number,
  plan: (found: PullResult) => Taken,
): Taken | Promise<Taken | undefined> {
  const known = store.offsets.planned(group.uid, log.uid)
  const offset = Math.max(known ?? firstOffset(log), log.minOffset)
  const found = readMessages(log, { filter, maxCount }, offset)
  if (!(found instanceof Promise)) return plan(found)
  const isStill = (): boolean => store.offsets.planned(group.uid, log.uid) === known && !log.isClosed
  return found.then((result) => (isStill() ? plan(result) : undefined))
}

/**
 * Where a group begins that was never here (RocketMQ `ConsumeInitMode.MAX`): at the beginning of a queue that still has
 * it, and of retries; else with the last message.
 */
function firstOffset({ queue, minOffset, maxOffset }: QueueLog): number {
  if (minOffset === 0 || isRetryTopic(queue.topic)) return minOffset
  return Math.max(minOffset, maxOffset - 1)
}

/** One alarm for as many messages as lie close enough together. */
function makeRuns(
  store: Store,
  { group, log, dueTimestamp }: TakeOrder,
  messages: readonly MessageView[],
): { readonly alarmsPut: readonly Alarm[]; readonly messages: readonly PoppedMessage[] } {
  const alarmsPut: Alarm[] = []
  const popped: PoppedMessage[] = []
  let run: { -readonly [Field in keyof Alarm]: Alarm[Field] } | undefined
  let prefix = ''
  for (const message of messages) {
    const { queueOffset, deliveryAttempt } = message
    const bit = run === undefined ? 0 : runBit(run, queueOffset)
    if (run === undefined || bit === 0) {
      const place = { groupUid: group.uid, queueUid: log.uid, queueOffset }
      run = { id: store.alarms.takeId(), kind: 'pop', dueTimestamp, ...place, attempt: 1 }
      prefix = receiptPrefix(run)
      alarmsPut.push(run)
    } else {
      run.attempt = joinBits(run.attempt, bit)
    }
    const handle = receiptHandle(prefix, queueOffset, deliveryAttempt)
    popped.push({ message, receiptHandle: handle, deliveryAttempt, nextVisibleTimestamp: dueTimestamp })
  }
  return { alarmsPut, messages: popped }
}
