/** Alarms of one kind, by group and queue, then by offset: at most one for each message. */
import type { Alarm } from './fact.ts'
import { groupQueueKey } from './group-queue-key.ts'

const NO_ALARMS: ReadonlyMap<number, Alarm> = new Map()

export class AlarmsByQueue {
  readonly #queues = new Map<string, Map<number, Alarm>>()

  /** Those of a queue of a group, by offset. */
  of(groupUid: number, queueUid: number): ReadonlyMap<number, Alarm> {
    return this.#queues.size === 0
      ? NO_ALARMS
      : (this.#queues.get(groupQueueKey(groupUid, queueUid)) ?? NO_ALARMS)
  }

  /** Takes the place of an earlier one for the same message. */
  add(alarm: Alarm): void {
    const key = groupQueueKey(alarm.groupUid, alarm.queueUid)
    const alarms = this.#queues.get(key)
    if (alarms === undefined) this.#queues.set(key, new Map([[alarm.queueOffset, alarm]]))
    else alarms.set(alarm.queueOffset, alarm)
  }

  remove(alarm: Alarm): void {
    const key = groupQueueKey(alarm.groupUid, alarm.queueUid)
    const alarms = this.#queues.get(key)
    // A newer one may have taken its place: what is set in a commit comes before what is cleared.
    if (alarms?.get(alarm.queueOffset)?.id !== alarm.id) return
    alarms.delete(alarm.queueOffset)
    if (alarms.size === 0) this.#queues.delete(key)
  }
}
