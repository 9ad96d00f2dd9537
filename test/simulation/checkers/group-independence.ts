/**
 * 18. Groups are independent: the offset of a group is one that this group committed or was reset to, and its retries
 * and dead letters are of messages that it failed to consume.
 */
import { deadLetterTopicOf, retryTopicOf } from '../../../src/model/topic.ts'
import { nameOf, placeOf, type Scan, type SimEvent } from '../events.ts'
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
      const asked = [...before.asked].join(', ') || 'nothing'
      this.#host.violate(
        18,
        `the offset of ${before.group} in ${nameOf(before.queue)} is ${found}, but the group asked for ${asked}`,
      )
    }
  }

  #checkCopies({ queues }: Scan): void {
    for (const { name } of this.#host.profile.groups) {
      const topics = [retryTopicOf(name), deadLetterTopicOf(name)]
      const copies = queues
        .filter(({ queue }) => topics.includes(queue.topic))
        .flatMap((queue) => queue.copies)
      for (const copy of copies) {
        if (this.#failed.has(`${name}@${copy.number}`)) continue
        this.#host.violate(18, `${placeOf(copy)} is message ${copy.number}, which ${name} never sent back`)
      }
    }
  }
}
