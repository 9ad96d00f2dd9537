/**
 * How often the message failed that a queue of a group waits for, as its order demands. It is an alarm that never becomes
 * due, cleared by the commit in which the group's offset passes its message, so that neither a hand-over nor a crash
 * begins to count anew. RocketMQ keeps the number in the client, where both make it forget.
 */
import type { FailedAttempts } from '../model/engine.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm, AlarmSpec } from '../store/fact.ts'
import { NEVER } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Groups } from './groups.ts'
import type { Topics } from './topics.ts'

/** What the store has room for; a message that fails ten times a second gets there after years. */
const MOST_ATTEMPTS = 2 ** 32 - 1

export class Attempts {
  readonly #store: Store
  readonly #groups: Groups
  readonly #topics: Topics

  constructor(store: Store, groups: Groups, topics: Topics) {
    this.#store = store
    this.#groups = groups
    this.#topics = topics
  }

  async query(group: string, queue: MessageQueue): Promise<FailedAttempts | undefined> {
    const alarm = this.#store.alarms.attempts(this.#groups.entry(group).uid, this.#topics.log(queue).uid)
    return alarm && { queueOffset: alarm.queueOffset, reconsumeTimes: alarm.attempt }
  }

  /** Remembers one number for a queue; a message that the group has passed meanwhile needs none. */
  async update(group: string, queue: MessageQueue, attempts: FailedAttempts): Promise<void> {
    const { queueOffset, reconsumeTimes } = attempts
    const entry = this.#groups.entry(group)
    const log = this.#topics.log(queue)
    const offset = this.#store.offsets.get(entry, log)
    if (offset !== undefined && queueOffset < offset) return
    const before = this.#store.alarms.attempts(entry.uid, log.uid)
    // A new alarm each time: a clear that is on its way means the one that it saw.
    const alarm: AlarmSpec = {
      kind: 'attempts',
      dueTimestamp: NEVER,
      groupUid: entry.uid,
      queueUid: log.uid,
      queueOffset,
      attempt: Math.min(reconsumeTimes, MOST_ATTEMPTS),
    }
    await this.#store.commit({ alarmsSet: [alarm], alarmsCleared: before === undefined ? [] : [before] })
  }
}

/** What a group's new offset makes obsolete; `force`: it was set from outside, so that whatever was counted is over. */
export function passedAttempts(
  { alarms }: Store,
  group: GroupEntry,
  log: QueueLog,
  offset: number,
  force: boolean,
): readonly Alarm[] {
  const alarm = alarms.attempts(group.uid, log.uid)
  return alarm !== undefined && (force || alarm.queueOffset < offset) ? [alarm] : []
}
