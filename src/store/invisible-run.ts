/**
 * Messages that a group has received and not acknowledged, as alarms. One of kind `pop` stands for a run of up to 32 of one
 * queue: its offset is the first one's, and its `attempt` has a bit for each that is still invisible. So a batch
 * of messages is received with one alarm, and acknowledged by clearing it.
 *
 * In FIFO groups each message has an alarm of its own, of kind `pop-orderly`, whose `attempt` is the number of the delivery.
 * One that is never due says what became of a message that was received: `attempt` 0, it is acknowledged, and others before
 * it are not; otherwise its time was over, and it waits to be delivered again.
 */
import type { Alarm, AlarmSpec } from './fact.ts'
import { U48_MAX } from './keyspace.ts'

/** Most offsets from the first to the last of one run. */
export const RUN_SPAN = 32

/** The due time of what never becomes due. */
export const NEVER = U48_MAX

/** The bit of an offset in a run; 0 when it lies outside. */
export function runBit({ queueOffset }: Pick<AlarmSpec, 'queueOffset'>, offset: number): number {
  const place = offset - queueOffset
  return place < 0 || place >= RUN_SPAN ? 0 : (1 << place) >>> 0
}

/** Whether a set of bits has this one; beyond 31 bits `&` answers a negative number. */
export function hasBit(bits: number, bit: number): boolean {
  return (bits & bit) !== 0
}

/** The bits without those of another set. */
export function withoutBits(bits: number, gone: number): number {
  return (bits & ~gone) >>> 0
}

/** The bits of both sets. */
export function joinBits(bits: number, more: number): number {
  return (bits | more) >>> 0
}

/** The offsets that an alarm is about: one, or those of its run that are still invisible. */
export function offsetsOf(alarm: AlarmSpec): number[] {
  if (alarm.kind !== 'pop') return [alarm.queueOffset]
  const offsets: number[] = []
  for (let place = 0; place < RUN_SPAN; place++) {
    if (hasBit(alarm.attempt, 1 << place)) offsets.push(alarm.queueOffset + place)
  }
  return offsets
}

/** How many messages are invisible by this alarm. */
export function invisibleCount(alarm: Alarm): number {
  if (alarm.kind === 'pop-orderly') return alarm.dueTimestamp === NEVER ? 0 : 1
  return alarm.kind === 'pop' ? countBits(alarm.attempt) : 0
}

function countBits(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count += 1
  return count
}
