/**
 * 18. Groups are independent: the offset of a group is one that this group committed or was reset to, and its retries
 * and dead letters are of messages that it failed to consume.
 */
import { deadLetterTopicOf, popRetryTopicOf, retryTopicOf } from '../../../src/model/topic.ts'
import { nameOf, placeOf, type Scan, type SimEvent } from '../events.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class GroupIndependence implements Checker {
  readonly #host: CheckerHost
  readonly #failed = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    if (event.type === 'sending-back') this.#failed.add(`${event.back.group}@${event.back.copy.number}`)
    if (event.type !== 'scanned') return
    this.#checkOffsets()
    this.#checkCopies(event.scan)
  }

  #checkOffsets(): void {
    for (const { before, found, isUnclear } of this.#host.model.comparison?.offsets ?? []) {
      if (isUnclear || found === undefined || before.asked.has(found)) continue
      // Where simple consumers are is held against what they received, by the checker that covers acknowledgements;
      // broadcasting members have a checker of their own.
      if (this.#host.model.groups.get(before.group)?.kind === 'simple' || before.member !== undefined)
        continue
      const asked = [...before.asked].join(', ') || 'nothing'
      this.#host.violate(
        18,
        `the offset of ${before.group} in ${nameOf(before.queue)} is ${found}, but the group asked for ${asked}`,
      )
    }
  }

  #checkCopies({ queues }: Scan): void {
    for (const group of this.#host.profile.groups) {
      const { name, subscriptions } = group
      const popRetryTopics = [...subscriptions.keys()].map((topic) => popRetryTopicOf(name, topic))
      const topics = [retryTopicOf(name), deadLetterTopicOf(name), ...popRetryTopics]
      const copies = queues
        .filter(({ queue }) => topics.includes(queue.topic))
        .flatMap((queue) => queue.copies)
      for (const copy of copies) {
        if (this.#failed.has(`${name}@${copy.number}`) || this.#mayHaveReceived(group, copy.number)) continue
        this.#host.violate(
          18,
          `${placeOf(copy)} is message ${copy.number}, which ${name} never failed to consume`,
        )
      }
    }
  }

  #mayHaveReceived({ name, kind, isOrderly }: GroupProfile, number: number): boolean {
    if (kind !== 'simple') return false
    const { deliveries } = this.#host.model
    return deliveries.of(name, number).length > 0 || (isOrderly && deliveries.interruptionsOf(name) > 0)
  }
}
