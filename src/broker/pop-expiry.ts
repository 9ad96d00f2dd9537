/**
 * What happens to messages that were received and not acknowledged in time (RocketMQ `PopReviveService`). A copy goes to
 * the retry topic, with one more attempt, or becomes a dead letter when all attempts are used up; a message of a FIFO group
 * stays where it is. The commit that does it also clears the alarm, so it happens exactly once.
 *
 * The number of attempts is looked at here, where a message that may not be tried again can become a dead letter at once.
 * RocketMQ looks when the message is received the next time, so it stays in the retry topic until somebody asks.
 */
import type { Clock } from '../model/clock.ts'
import type { MessageView } from '../model/message.ts'
import { popSourceTopicOf } from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import { offsetsOf } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import { copyMessage } from './copy-message.ts'
import type { DeadLetters } from './dead-letters.ts'
import { doneRow, waitingRow } from './orderly-rows.ts'
import { lostMessage } from './orphans.ts'
import type { PopReceipts } from './pop-receipts.ts'
import type { PopRetryTopics } from './pop-retry-topics.ts'
import { isMessage, readFailed } from './read-failed.ts'
import type { AlarmPlan } from './timekeeper.ts'

export interface PopExpiryParts {
  readonly store: Store
  readonly receipts: PopReceipts
  readonly retryTopics: PopRetryTopics
  readonly deadLetters: DeadLetters
  readonly announcer: Announcer
  readonly clock: Clock
  /** A FIFO queue may be received from again. */
  onReleased(group: GroupEntry, log: QueueLog): void
}

const NOTHING: AlarmPlan = Object.freeze({})

export class PopExpiry {
  readonly #parts: PopExpiryParts

  constructor(parts: PopExpiryParts) {
    this.#parts = parts
  }

  /** Plans what becomes of the messages of a run. */
  async planRun(alarm: Alarm): Promise<AlarmPlan> {
    const left = await this.#parts.receipts.expire(alarm)
    const place = this.#placeOf(alarm)
    if (left === undefined || place === undefined) return NOTHING
    const { group, log } = place
    const reason = this.#parts.receipts.reasonOf(left)
    const plans = await Promise.all(
      offsetsOf(left).map((offset) => this.#planMessage(group, log, offset, reason)),
    )
    return joinPlans(plans)
  }

  /** Plans what becomes of one message of a FIFO group; it holds its queue no longer. */
  async planOrderly(alarm: Alarm): Promise<AlarmPlan> {
    const left = await this.#parts.receipts.expire(alarm)
    const place = this.#placeOf(alarm)
    if (left === undefined || place === undefined) return NOTHING
    const { group, log } = place
    const plan = await this.#planOrderlyMessage(group, log, left)
    const release = { announce: () => this.#parts.onReleased(group, log) }
    return joinPlans([plan, release])
  }

  /** Without its group there is nobody to deliver to; without its queue, the loss was told when the topic was deleted. */
  #placeOf({ groupUid, queueUid }: Alarm): { group: GroupEntry; log: QueueLog } | undefined {
    const { catalog } = this.#parts.store
    const group = catalog.groupByUid(groupUid)
    const log = catalog.log(queueUid)
    return group === undefined || log === undefined ? undefined : { group, log }
  }

  async #planMessage(group: GroupEntry, log: QueueLog, offset: number, reason: string): Promise<AlarmPlan> {
    const message = await readFailed(this.#parts.store, log.uid, offset)
    if (!isMessage(message)) return this.#planLoss(group, log, offset, message)
    const { retryMaxTimes, retryQueueNums } = group.config
    if (message.reconsumeTimes >= retryMaxTimes || retryQueueNums <= 0)
      return this.#planDeadLetter(group, message, reason)
    const topic = popSourceTopicOf(log.queue.topic, group.config.group)
    const retryLog = await this.#parts.retryTopics.log(group, topic, message.priority)
    if (retryLog === undefined) return NOTHING
    const reconsumeTimes = message.reconsumeTimes + 1
    const copy = copyMessage(message, { topic: retryLog.queue.topic, reconsumeTimes })
    return {
      appends: [{ log: retryLog, messages: copy }],
      announce: () => this.#announceRetry(group, message, reconsumeTimes, reason),
    }
  }

  async #planOrderlyMessage(group: GroupEntry, log: QueueLog, row: Alarm): Promise<AlarmPlan> {
    const { store } = this.#parts
    const reason = this.#parts.receipts.reasonOf(row)
    const message = await readFailed(store, log.uid, row.queueOffset)
    if (!isMessage(message)) return this.#planLoss(group, log, row.queueOffset, message)
    if (row.attempt > group.config.retryMaxTimes) {
      const plan = await this.#planDeadLetter(group, message, reason, row.attempt)
      return { ...plan, alarmsPut: [doneRow(store, row)] }
    }
    return {
      alarmsPut: [waitingRow(store, row)],
      announce: () => this.#announceRetry(group, message, row.attempt, reason),
    }
  }

  async #planDeadLetter(
    { config }: GroupEntry,
    message: MessageView,
    why: string,
    attempt = message.deliveryAttempt,
  ): Promise<AlarmPlan> {
    const reason = `It was attempt ${attempt}, the last one: ${why}`
    const { append, announce } = await this.#parts.deadLetters.plan(config.group, message, reason, attempt)
    return { appends: [append], announce }
  }

  #planLoss(
    group: GroupEntry,
    log: QueueLog,
    offset: number,
    reason: Parameters<typeof lostMessage>[3],
  ): AlarmPlan {
    const event = lostMessage(offset, group, log, reason)
    return { announce: () => this.#parts.announcer.emit('message-lost', event) }
  }

  #announceRetry({ config }: GroupEntry, message: MessageView, reconsumeTimes: number, reason: string): void {
    const { topic, messageId } = message
    const event = { group: config.group, topic, messageId, reconsumeTimes, reason }
    this.#parts.announcer.emit('retry', { ...event, dueTimestamp: this.#parts.clock.now() })
  }
}

/** All of it in one commit. */
function joinPlans(plans: readonly AlarmPlan[]): AlarmPlan {
  return {
    appends: plans.flatMap(({ appends = [] }) => appends),
    alarmsPut: plans.flatMap(({ alarmsPut = [] }) => alarmsPut),
    announce: () => {
      for (const { announce } of plans) announce?.()
    },
  }
}
