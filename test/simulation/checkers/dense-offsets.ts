/**
 * 4. Dense offsets: a queue holds every offset from its lowest to its end, each can be read, and a queue that is gone
 * never comes back under its identity, also not with a topic of the same name.
 */
import { nameOf, type Scan, type SimEvent } from '../events.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class DenseOffsets implements Checker {
  readonly #host: CheckerHost

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    if (event.type === 'scanned') this.#check(event.scan)
    if (event.type === 'stored' && event.receipt.count !== event.send.numbers.length)
      this.#host.violate(
        4,
        `send ${event.send.id} of ${event.send.numbers.length} messages stored ${event.receipt.count}`,
      )
  }

  #check({ queues, failures }: Scan): void {
    for (const failure of failures) this.#host.violate(4, `a message cannot be read: ${failure}`)
    for (const { queue, minOffset, maxOffset, copies } of queues) {
      const name = nameOf(queue)
      const wrong = copies.find(({ offset }, index) => offset !== minOffset + index)
      if (wrong !== undefined) this.#host.violate(4, `${name} has offset ${wrong.offset} out of its row`)
      if (minOffset < 0 || minOffset > maxOffset)
        this.#host.violate(4, `${name} goes from ${minOffset} to ${maxOffset}`)
      const labels = new Set(copies.map(({ label }) => label))
      if (labels.size > 1) this.#host.violate(4, `${name} has the identities ${[...labels].join(', ')}`)
      for (const label of labels) {
        if (this.#host.model.queues.byLabel(label)?.isDeleted === true)
          this.#host.violate(4, `${name} has the identity ${label} of a queue that was deleted`)
      }
    }
  }
}
