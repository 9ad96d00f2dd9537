/**
 * Attempts of simple consumers: each delivery of a message counts one more than the one before it, whether that was given
 * back or its time was over, and none comes after the last.
 *
 * Allowed: a receive that was under way when the machine stopped may have been a delivery that nobody saw.
 */
import { popRetryTopicOf } from '../../../src/model/topic.ts'
import type { PoppedCopy } from '../consumer-events.ts'
import { placeOf, type Scan, type SimEvent } from '../events.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { CheckerHost } from './checker.ts'

export class PopCount {
  readonly #host: CheckerHost

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    if (event.type === 'scanned') this.#checkScan(event.scan)
    if (event.type !== 'popped') return
    const group = this.#host.model.groups.get(event.group)
    if (group === undefined) return
    for (const popped of event.popped) {
      const { copy, attempt } = popped
      const what = `message ${copy.number} at ${placeOf(copy)}`
      if (attempt > group.maxReconsumeTimes + 1)
        this.#host.violate(
          11,
          `${what} is attempt ${attempt} for ${group.name}, the last of which was before`,
        )
      if (group.isOrderly) this.#checkFifo(group, popped, what)
      else this.#checkRetry(group, popped, what)
    }
  }

  #checkRetry({ name }: GroupProfile, { copy, attempt }: PoppedCopy, what: string): void {
    if (attempt !== copy.reconsumeTimes + 1)
      this.#host.violate(11, `${what} is attempt ${attempt} for ${name}, and counts ${copy.reconsumeTimes}`)
    if (copy.queue.topic === copy.topic) {
      if (attempt !== 1) this.#host.violate(11, `${what} is attempt ${attempt} for ${name}, and no retry`)
      return
    }
    const before = this.#host.model.deliveries.of(name, copy.number)
    if (!before.some((delivery) => delivery.attempt === attempt - 1))
      this.#host.violate(11, `${what} is attempt ${attempt} for ${name}, which never saw the one before`)
  }

  #checkFifo({ name }: GroupProfile, { copy, attempt }: PoppedCopy, what: string): void {
    const { deliveries } = this.#host.model
    const here = deliveries.of(name, copy.number).filter(({ label }) => label === copy.label)
    const before = here.at(-2)
    const unseenCount = deliveries.interruptionsOf(name)
    const most = (before?.attempt ?? 0) + 1
    // A reset begins to count anew; so does what a power cut took back.
    const isAnew = before === undefined || before.isUnclear || before.voidAt !== undefined
    const least = isAnew ? 1 : most
    if (attempt < least || attempt > most + unseenCount)
      this.#host.violate(11, `${what} is attempt ${attempt} for ${name}, after ${most - 1}`)
  }

  /** As many retries of each count as deliveries can have made. */
  #checkScan({ queues }: Scan): void {
    const { model, profile } = this.#host
    for (const { name, kind, subscriptions } of profile.groups) {
      if (kind !== 'simple') continue
      const topics = [...subscriptions.keys()].map((topic) => popRetryTopicOf(name, topic))
      const copies = queues.filter(({ queue }) => topics.includes(queue.topic)).flatMap((each) => each.copies)
      const counts = new Map<string, number>()
      for (const { number, reconsumeTimes } of copies) {
        const key = `${number}@${reconsumeTimes}`
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
      for (const [key, count] of counts) {
        const [number, reconsumeTimes] = key.split('@').map(Number)
        const deliveries = model.deliveries.of(name, number!)
        const possible = deliveries.filter(({ attempt }) => attempt === reconsumeTimes).length
        if (count > possible)
          this.#host.violate(
            11,
            `message ${number} has ${count} retries ${reconsumeTimes} in ${name}, after ${possible} deliveries`,
          )
      }
    }
  }
}
