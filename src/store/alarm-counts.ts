/** How much waits for each group, kept as alarms come and go. */
import type { Alarm } from './fact.ts'
import { invisibleCount } from './invisible-run.ts'

interface GroupCounts {
  waiting: number
  invisible: number
  /** Alarms of any kind. */
  alarms: number
}

export class AlarmCounts {
  readonly #byGroup = new Map<number, GroupCounts>()

  /** Alarms of things that are to happen, but for those of messages that the group has received. */
  waiting(groupUid: number): number {
    return this.#byGroup.get(groupUid)?.waiting ?? 0
  }

  /** Messages that the group has received and not acknowledged. */
  invisible(groupUid: number): number {
    return this.#byGroup.get(groupUid)?.invisible ?? 0
  }

  add(alarm: Alarm): void {
    this.#count(alarm, 1)
  }

  remove(alarm: Alarm): void {
    this.#count(alarm, -1)
  }

  #count(alarm: Alarm, sign: 1 | -1): void {
    let counts = this.#byGroup.get(alarm.groupUid)
    if (counts === undefined) {
      counts = { waiting: 0, invisible: 0, alarms: 0 }
      this.#byGroup.set(alarm.groupUid, counts)
    }
    counts.alarms += sign
    if (alarm.kind === 'pop' || alarm.kind === 'pop-orderly') counts.invisible += sign * invisibleCount(alarm)
    else if (alarm.kind !== 'attempts') counts.waiting += sign
    if (counts.alarms === 0) this.#byGroup.delete(alarm.groupUid)
  }
}
