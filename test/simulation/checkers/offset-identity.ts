/**
 * 5. Offset identity: an offset of a queue names one message for ever, whoever asks and how often, also after a crash.
 * An offset is free again only when a power cut took its message, as docs/recovery.md allows.
 */
import { type Copy, deliveryIn, nameOf, placeOf, type SimEvent } from '../events.ts'
import { type Slot, storedReconsumeTimes } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class OffsetIdentity implements Checker {
  readonly #host: CheckerHost

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    for (const copy of deliveryIn(event)?.copies ?? []) this.#check(copy)
    switch (event.type) {
      case 'scanned':
        for (const { copies } of event.scan.queues) for (const copy of copies) this.#check(copy)
        this.#checkGone()
        return
      case 'stored':
        this.#checkReceipt(event)
    }
  }

  #checkReceipt({ send, receipt }: Extract<SimEvent, { type: 'stored' }>): void {
    // What waits has no offset; which message a repetition names is for the checker of deduplication.
    if (receipt.wait !== undefined || receipt.isDuplicate === true) return
    const queue = this.#host.model.queues.byLabel(receipt.label)
    send.numbers.forEach((number, index) => {
      const offset = receipt.offset + index
      const slot = queue?.slots.get(offset)
      if (slot === undefined || (slot.number === number && slot.reconsumeTimes === 0)) return
      const place = `${nameOf(receipt.queue)}:${offset}`
      this.#host.violate(5, `the receipt of message ${number} names ${place}, where ${describe(slot)} lies`)
    })
  }

  #check(copy: Copy): void {
    const slot = this.#host.model.queues.byLabel(copy.label)?.slots.get(copy.offset)
    if (slot === undefined) return
    const { number, reconsumeTimes, storeTimestamp } = slot
    if (number !== copy.number || reconsumeTimes !== storedReconsumeTimes(copy))
      this.#host.violate(5, `${placeOf(copy)} was ${describe(slot)} and is ${describe(copy)}`)
    else if (storeTimestamp !== copy.storeTimestamp)
      this.#host.violate(5, `${placeOf(copy)} was stored at ${storeTimestamp} and at ${copy.storeTimestamp}`)
  }

  /** What was seen stays, but for what a power cut may take. */
  #checkGone(): void {
    const { comparison } = this.#host.model
    if (comparison === undefined || comparison.cutLife !== undefined) return
    for (const { queue, slot } of comparison.gone)
      this.#host.violate(
        5,
        `${nameOf(queue.name)}:${slot.offset} was ${describe(slot)} and is not there any more`,
      )
  }
}

function describe({ number, reconsumeTimes }: Pick<Slot, 'number' | 'reconsumeTimes'>): string {
  return reconsumeTimes === 0 ? `message ${number}` : `message ${number} retry ${reconsumeTimes}`
}
