/**
 * 17. Filter: a group gets a message exactly when its expression says so by a reference of our own, tags or SQL; a
 * broadcasting group by each of its members. What is filtered out still advances the offset.
 */
import { deadLetterTopicOf } from '../../../src/model/topic.ts'
import { deliveryIn, nameOf, ownerOf, type Scan, type SimEvent } from '../events.ts'
import { type GroupProfile, membersOf } from '../model/group-profile.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class Filter implements Checker {
  readonly #host: CheckerHost
  /** What groups and broadcasting members got, by owner and number. */
  readonly #delivered = new Set<string>()
  #isDrained = false

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    const delivery = deliveryIn(event)
    if (delivery !== undefined) this.#checkDelivered(delivery)
    switch (event.type) {
      case 'popped':
        // Should the answer be lost it may be a dead letter before anybody sees it.
        for (const { copy } of event.popped) this.#delivered.add(`${event.group}@${copy.number}`)
        return
      case 'drained':
        this.#isDrained = true
        return
      case 'scanned':
        for (const { group, number, isExcused } of this.#host.model.comparison?.unseen ?? [])
          if (isExcused) this.#delivered.add(`${group}@${number}`)
        if (!this.#isDrained) return
        for (const group of this.#host.profile.groups) {
          for (const member of membersOf(group)) {
            this.#checkAllDelivered(group, member, event.scan)
            this.#checkAdvanced(group, member, event.scan)
          }
        }
    }
  }

  #checkDelivered(delivery: NonNullable<ReturnType<typeof deliveryIn>>): void {
    const { group, copies } = delivery
    const owner = this.#host.model.ownerOf(delivery)
    for (const copy of copies) {
      const { number, topic, tag } = copy
      this.#delivered.add(`${owner}@${number}`)
      if (!this.#host.model.wants(group, copy))
        this.#host.violate(
          17,
          `${group} got message ${number} of ${topic} with the tag ${tag ?? 'none'} and ${JSON.stringify(copy.properties)}`,
        )
    }
  }

  #checkAllDelivered(
    { name, subscriptions, isOrderly }: GroupProfile,
    member: string | undefined,
    scan: Scan,
  ): void {
    const { model } = this.#host
    const owner = ownerOf({ group: name, member })
    // A receive that a crash interrupted was somebody's last attempt, perhaps.
    const mayBeDead = isOrderly && model.deliveries.interruptionsOf(name) > 0
    const dead = mayBeDead ? deadNumbers(scan, name) : new Set<number>()
    for (const queue of model.queues.living) {
      if (!subscriptions.has(queue.name.topic)) continue
      const skippedBelow = model.offsets.get(name, queue.name, member)?.skippedBelow ?? 0
      for (const slot of queue.slots.values()) {
        const { number, offset } = slot
        if (offset < Math.max(queue.minOffset, skippedBelow)) continue
        if (!model.wantsSlot(name, queue, slot) || this.#delivered.has(`${owner}@${number}`)) continue
        if (dead.has(number)) continue
        this.#host.violate(17, `${owner} never got message ${number} at ${nameOf(queue.name)}:${offset}`)
      }
    }
  }

  #checkAdvanced({ name, subscriptions }: GroupProfile, member: string | undefined, scan: Scan): void {
    const offsets = scan.groups.find(({ group }) => group === name)?.offsets ?? []
    for (const { queue, maxOffset } of scan.queues) {
      if (!subscriptions.has(queue.topic) || maxOffset === 0) continue
      const own = offsets.filter((each) => each.member === member)
      const stored = own.find((each) => nameOf(each.queue) === nameOf(queue))?.offset
      if (stored !== maxOffset)
        this.#host.violate(
          17,
          `${ownerOf({ group: name, member })} stands at ${stored ?? 'nothing'} in ${nameOf(queue)}, which ends at ${maxOffset}`,
        )
    }
  }
}

function deadNumbers({ queues }: Scan, group: string): ReadonlySet<number> {
  const topic = deadLetterTopicOf(group)
  const dead = queues.filter(({ queue }) => queue.topic === topic)
  return new Set(dead.flatMap(({ copies }) => copies.map(({ number }) => number)))
}
