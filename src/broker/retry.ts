/**
 * Failed deliveries (RocketMQ `CONSUMER_SEND_MSG_BACK`, semantics section 9). A retry is an alarm that points at the
 * failed record; when it is due, a copy is appended to the group's retry topic. A message that may not be tried again
 * becomes a dead letter.
 *
 * One difference: RocketMQ answers success and drops the message when its group has no retry queue (`retryQueueNums`
 * 0). Here it becomes a dead letter at once, so that nothing disappears.
 */
import type { Clock, RandomSource } from '../model/clock.ts'
import { randomBelow } from '../model/clock.ts'
import { type DelayLevels, delayOfLevel, retryLevel } from '../model/delay-levels.ts'
import type { SendBackRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageLostEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import { parseOffsetMessageId, type RecordAddress } from '../model/offset-message-id.ts'
import type { SendBackResult } from '../model/results.ts'
import { retryTopicOf } from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import { copyMessage } from './copy-message.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Groups } from './groups.ts'
import { lostMessage } from './orphans.ts'
import { isMessage, readFailed } from './read-failed.ts'
import { isWritable } from './routes.ts'
import type { AlarmPlan } from './timekeeper.ts'
import type { Topics } from './topics.ts'

/** What retries are made with. */
export interface RetryParts {
  readonly store: Store
  readonly topics: Topics
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly announcer: Announcer
  readonly clock: Clock
  readonly random: RandomSource
  readonly delayLevels: DelayLevels
}

const NOTHING: AlarmPlan = Object.freeze({})

export class Retry {
  readonly #parts: RetryParts

  constructor(parts: RetryParts) {
    this.#parts = parts
  }

  async sendBack(request: SendBackRequest): Promise<SendBackResult> {
    const group = this.#parts.groups.entry(request.group)
    if (!isSpent(group, request)) return this.#schedule(group, request)
    const reconsumeTimes = await this.#parts.deadLetters.add(request.group, request.message, request.reason)
    return { outcome: 'dead-letter', reconsumeTimes }
  }

  /** Plans the delivery of a retry that is due. A retry of a group that is gone delivers nothing. */
  async planDelivery(alarm: Alarm): Promise<AlarmPlan> {
    const { store } = this.#parts
    const group = store.catalog.groupByUid(alarm.groupUid)
    if (group === undefined) return NOTHING
    const message = await readFailed(store, alarm.queueUid, alarm.queueOffset)
    if (!isMessage(message)) return this.#planLoss(alarm, group, message)
    const log = await this.#retryLog(group)
    if (log === undefined) return NOTHING
    const copy = copyMessage(message, { topic: log.queue.topic, reconsumeTimes: alarm.attempt })
    return { appends: [{ log, messages: copy }] }
  }

  async #schedule(group: GroupEntry, request: SendBackRequest): Promise<SendBackResult> {
    const { store, clock, delayLevels } = this.#parts
    const address = this.#findFailed(request.message)
    this.#checkRetryTopic(request.group)

    const reconsumeTimes = request.message.reconsumeTimes + 1
    const level = request.delayLevel > 0 ? request.delayLevel : retryLevel(request.message.reconsumeTimes)
    const dueTimestamp = clock.now() + delayOfLevel(delayLevels, level)
    const alarm = {
      ...address,
      kind: 'retry',
      groupUid: group.uid,
      dueTimestamp,
      attempt: reconsumeTimes,
    } as const
    await store.commit({ alarmsSet: [alarm] })

    this.#announceRetry(request, reconsumeTimes, dueTimestamp)
    return { outcome: 'retry', reconsumeTimes, dueTimestamp }
  }

  /** Where the failed record lies. It must still be there, since the retry will be made from it. */
  #findFailed(message: MessageView): RecordAddress {
    const address = parseOffsetMessageId(message.offsetMessageId)
    const log = this.#parts.store.catalog.log(address.queueUid)
    if (log === undefined || address.queueOffset < log.minOffset) {
      throw new MQError(
        'NO_MESSAGE',
        `The message ${message.messageId} is no longer stored and cannot be retried.`,
      )
    }
    return address
  }

  /** A missing retry topic is made when the retry is due. */
  #checkRetryTopic(group: string): void {
    const entry = this.#parts.store.catalog.topic(retryTopicOf(group))
    if (entry === undefined || isWritable(entry)) return
    throw new MQError('NO_PERMISSION', `The topic '${entry.config.topic}' does not permit writing.`)
  }

  #planLoss(alarm: Alarm, group: GroupEntry, reason: MessageLostEvent['reason']): AlarmPlan {
    const log = this.#parts.store.catalog.log(alarm.queueUid)
    // Without the queue its topic is gone, and the loss was told when it was deleted.
    if (log === undefined) return NOTHING
    const event = lostMessage(alarm.queueOffset, group, log, reason)
    return { announce: () => this.#parts.announcer.emit('message-lost', event) }
  }

  /** Any of the group's retry queues; `undefined` when the group was deleted meanwhile. */
  async #retryLog(group: GroupEntry): Promise<QueueLog | undefined> {
    const { store, topics, groups, random } = this.#parts
    const queueNums = Math.max(1, group.config.retryQueueNums)
    const known = store.catalog.topic(retryTopicOf(group.config.group))?.config
    const config = known ?? (await groups.restoreRetryTopic(group.uid))
    if (config === undefined) return undefined
    return topics.logOfId(config.topic, randomBelow(random, Math.min(queueNums, config.writeQueueNums)))
  }

  #announceRetry(
    { group, message, reason }: SendBackRequest,
    reconsumeTimes: number,
    dueTimestamp: number,
  ): void {
    const { topic, messageId } = message
    this.#parts.announcer.emit('retry', { group, topic, messageId, reconsumeTimes, dueTimestamp, reason })
  }
}

function isSpent(
  { config }: GroupEntry,
  { message, delayLevel, maxReconsumeTimes }: SendBackRequest,
): boolean {
  return message.reconsumeTimes >= maxReconsumeTimes || delayLevel < 0 || config.retryQueueNums <= 0
}
