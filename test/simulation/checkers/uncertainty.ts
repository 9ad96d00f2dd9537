/**
 * 3. Typed uncertainty: a send that was refused says whether it may be stored. `unknown` means as a whole or not at all,
 * and once; everything else means that nobody ever gets to see it. What is stored is stored once.
 */
import { deliveryIn, nameOf, type Scan, type SimEvent } from '../events.ts'
import type { Send } from '../model/sends.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class Uncertainty implements Checker {
  readonly #host: CheckerHost
  readonly #delivered = new Set<number>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    for (const { number } of deliveryIn(event)?.copies ?? []) this.#noteDelivered(number)
    switch (event.type) {
      case 'refused':
        this.#checkRefused(event)
        return
      case 'scanned':
        this.#checkScan(event.scan)
    }
  }

  #noteDelivered(number: number): void {
    this.#delivered.add(number)
    const send = this.#host.model.sends.of(number)
    if (send?.state === 'absent')
      this.#host.violate(3, `message ${number} is delivered although its send ${send.call.id} was refused`)
  }

  #checkRefused({ send, refusal }: Extract<SimEvent, { type: 'refused' }>): void {
    if (refusal.code === undefined)
      this.#host.violate(3, `send ${send.id} failed without a code: ${refusal.text}`)
    const seen = send.numbers.find((number) => this.#delivered.has(number))
    if (refusal.outcome !== 'unknown' && seen !== undefined)
      this.#host.violate(
        3,
        `send ${send.id} is refused with ${refusal.code} although message ${seen} was delivered`,
      )
  }

  #checkScan(scan: Scan): void {
    const { sends, comparison } = this.#host.model
    const places = new Map<number, string[]>()
    for (const { copies } of scan.queues) {
      for (const { queue, offset, number } of copies) {
        // Retries and dead letters are copies, and are counted elsewhere.
        if (queue.topic !== this.#host.model.message(number)?.topic) continue
        places.set(number, [...(places.get(number) ?? []), `${nameOf(queue)}:${offset}`])
      }
    }
    for (const [number, found] of places) {
      if (found.length > 1)
        this.#host.violate(3, `message ${number} is stored more than once: ${found.join(', ')}`)
      const send = sends.of(number)
      if (send?.state === 'absent')
        this.#host.violate(
          3,
          `message ${number} is at ${found[0]} although its send ${send.call.id} was refused`,
        )
    }
    for (const send of comparison?.decided ?? []) this.#checkWhole(send, places)
  }

  /** A batch of which nobody knew is there as a whole, one message behind the other, or not at all. */
  #checkWhole({ call }: Send, places: ReadonlyMap<number, readonly string[]>): void {
    const found = call.numbers.map((number) => places.get(number)?.[0])
    if (found.every((place) => place === undefined) || isRow(found)) return
    const { queues } = this.#host.model
    // What retention took from it is not torn off.
    if (queues.living.some(({ name, minOffset }) => name.topic === call.topic && minOffset > 0)) return
    this.#host.violate(
      3,
      `of send ${call.id} only a part is stored: ${found.map((place) => place ?? 'nothing').join(', ')}`,
    )
  }
}

/** Places such as `orders/0:7`, `orders/0:8`. */
function isRow(places: readonly (string | undefined)[]): boolean {
  const [queue, first] = places[0]?.split(':') ?? []
  return places.every((place, index) => place === `${queue}:${Number(first) + index}`)
}
