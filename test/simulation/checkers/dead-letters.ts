/**
 * 13. Dead letters: a message becomes one when its retries are used up or its listener says so, not before and not
 * later, and once. Of what simple consumers receive the last delivery makes one, when its time is over.
 *
 * Allowed: the dead letter and the group's offset are two commits, so a message whose last attempt is delivered again
 * after a crash, or sent back again after an answer was lost, becomes a dead letter again (docs/semantics.md: delivery
 * is at least once).
 */
import { deadLetterTopicOf } from '../../../src/model/topic.ts'
import type { Copy, Scan, SendBackCall, SimEvent, SimEventOf, Stamp } from '../events.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { Checker, CheckerHost } from './checker.ts'

interface Requests {
  /** That may have made a dead letter. */
  count: number
  /** That were told to have made one, by life. */
  readonly madeInLives: number[]
}

export class DeadLetters implements Checker {
  readonly #host: CheckerHost
  readonly #requests = new Map<string, Requests>()
  /** Messages of orderly groups whose listeners wished for no further attempt, by group and place. */
  readonly #wished = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { life }: Stamp): void {
    switch (event.type) {
      case 'answered':
        this.#noteWish(event)
        return
      case 'sending-back':
        if (isSpent(event.back)) this.#of(event.back).count += 1
        return
      case 'send-back-failed':
        if (isSpent(event.back) && event.refusal.outcome === 'not-attempted') this.#of(event.back).count -= 1
        return
      case 'sent-back':
        this.#checkResult(event, life)
        return
      case 'scanned':
        this.#checkScan(event.scan)
    }
  }

  #noteWish({ call, succeededCount, delayLevel }: SimEventOf<'answered'>): void {
    for (const copy of call.copies.slice(succeededCount)) {
      if (delayLevel < 0) this.#wished.add(placeKey(call.group, copy))
      else this.#wished.delete(placeKey(call.group, copy))
    }
  }

  #checkResult({ back, outcome }: SimEventOf<'sent-back'>, life: number): void {
    const { number, reconsumeTimes } = back.copy
    const what = `message ${number} of ${back.group}, retried ${reconsumeTimes} times of ${back.maxReconsumeTimes}`
    if (outcome === 'dead-letter') this.#of(back).madeInLives.push(life)
    if (outcome === 'dead-letter' && !(isSpent(back) && this.#hadAttempts(back)))
      this.#host.violate(13, `${what}, is a dead letter already`)
    if (outcome === 'retry' && isSpent(back))
      this.#host.violate(13, `${what}, is retried instead of a dead letter`)
  }

  /** An orderly member asks for a dead letter in so many words, and only when it has to. */
  #hadAttempts({ group: name, copy }: SendBackCall): boolean {
    const group = this.#host.model.groups.get(name)
    if (group?.kind !== 'orderly') return true
    return copy.reconsumeTimes >= group.maxReconsumeTimes || this.#wished.has(placeKey(name, copy))
  }

  #checkScan({ queues }: Scan): void {
    for (const group of this.#host.profile.groups) {
      const topic = deadLetterTopicOf(group.name)
      const found = queues.filter(({ queue }) => queue.topic === topic)
      const copies = found.flatMap((queue) => queue.copies)
      const isTrimmed = found.some(({ minOffset }) => minOffset > 0)
      this.#checkGroup(group, copies, isTrimmed)
    }
  }

  #checkGroup(profile: GroupProfile, copies: readonly Copy[], isTrimmed: boolean): void {
    const group = profile.name
    const counts = new Map<number, number>()
    for (const { number, properties } of copies) {
      counts.set(number, (counts.get(number) ?? 0) + 1)
      if (properties.DLQ_REASON === undefined)
        this.#host.violate(13, `the dead letter of message ${number} of ${group} names no reason`)
    }
    for (const [number, count] of counts) {
      const allowed =
        (this.#requests.get(`${group}@${number}`)?.count ?? 0) + this.#lastAttempts(profile, number)
      if (count > allowed)
        this.#host.violate(
          13,
          `message ${number} of ${group} is ${count} dead letters, after ${allowed} last attempts`,
        )
    }
    if (!isTrimmed) this.#checkKept(group, counts)
  }

  /** What simple consumers received for the last time, and perhaps did so without anybody seeing it. */
  #lastAttempts({ name, kind, isOrderly, maxReconsumeTimes }: GroupProfile, number: number): number {
    if (kind !== 'simple') return 0
    const { deliveries } = this.#host.model
    const last = deliveries.of(name, number).filter(({ attempt }) => attempt > maxReconsumeTimes)
    return last.length + (isOrderly ? deliveries.interruptionsOf(name) : 0)
  }

  /** What was told to be a dead letter is one. */
  #checkKept(group: string, counts: ReadonlyMap<number, number>): void {
    const { comparison } = this.#host.model
    for (const [key, requests] of this.#requests) {
      const [owner, number] = key.split('@')
      if (owner !== group) continue
      const cutLife = comparison?.cutLife?.life
      const kept = requests.madeInLives.filter((life) => life !== cutLife).length
      const count = counts.get(Number(number)) ?? 0
      if (count < kept)
        this.#host.violate(
          13,
          `message ${number} of ${group} was told to be a dead letter ${kept} times, and is ${count}`,
        )
      // What a power cut took is not expected again.
      if (cutLife !== undefined) requests.madeInLives.splice(count)
    }
  }

  #of({ group, copy }: SendBackCall): Requests {
    const key = `${group}@${copy.number}`
    const requests = this.#requests.get(key) ?? { count: 0, madeInLives: [] }
    this.#requests.set(key, requests)
    return requests
  }
}

/** The rule, from the words of the documentation. */
function isSpent({ copy, delayLevel, maxReconsumeTimes }: SendBackCall): boolean {
  return delayLevel < 0 || copy.reconsumeTimes >= maxReconsumeTimes
}

function placeKey(group: string, { label, offset }: Copy): string {
  return `${group}@${label}:${offset}`
}
