/**
 * 17. Filter: a group gets a message exactly when its tag expression says so by a reference that knows only strings, and
 * what is filtered out still advances its offset.
 */
import { nameOf, type Scan, type SimEvent } from '../events.ts'
import type { GroupProfile } from '../model/profile.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class Filter implements Checker {
  readonly #host: CheckerHost
  /** What groups got, by group and number. */
  readonly #delivered = new Set<string>()
  #isDrained = false

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    switch (event.type) {
      case 'calling':
        for (const { number, topic, tag } of event.call.copies) {
          const { group } = event.call
          this.#delivered.add(`${group}@${number}`)
          if (!this.#host.model.wants(group, topic, tag))
            this.#host.violate(17, `${group} got message ${number} of ${topic} with the tag ${tag ?? 'none'}`)
        }
        return
      case 'drained':
        this.#isDrained = true
        return
      case 'scanned':
        if (!this.#isDrained) return
        for (const group of this.#host.profile.groups) {
          this.#checkAllDelivered(group)
          this.#checkAdvanced(group, event.scan)
        }
    }
  }

  #checkAllDelivered({ name, subscriptions }: GroupProfile): void {
    const { model } = this.#host
    for (const queue of model.queues.living) {
      if (!subscriptions.has(queue.name.topic)) continue
      const skippedBelow = model.offsets.get(name, queue.name)?.skippedBelow ?? 0
      for (const { number, offset } of queue.slots.values()) {
        const message = model.message(number)
        if (message === undefined || offset < Math.max(queue.minOffset, skippedBelow)) continue
        if (!model.wants(name, message.topic, message.tag) || this.#delivered.has(`${name}@${number}`))
          continue
        this.#host.violate(17, `${name} never got message ${number} at ${nameOf(queue.name)}:${offset}`)
      }
    }
  }

  #checkAdvanced({ name, subscriptions }: GroupProfile, scan: Scan): void {
    const offsets = scan.groups.find(({ group }) => group === name)?.offsets ?? []
    for (const { queue, maxOffset } of scan.queues) {
      if (!subscriptions.has(queue.topic) || maxOffset === 0) continue
      const stored = offsets.find((each) => nameOf(each.queue) === nameOf(queue))?.offset
      if (stored !== maxOffset)
        this.#host.violate(
          17,
          `${name} stands at ${stored ?? 'nothing'} in ${nameOf(queue)}, which ends at ${maxOffset}`,
        )
    }
  }
}
