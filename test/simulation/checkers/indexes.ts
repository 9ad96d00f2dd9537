/** 21. Indexes agree: what is found by id, by key and by time is what reading everything finds, and the store's check agrees. */
import { type Copy, type IndexProbe, nameOf, placeOf, type Scan, type SimEvent } from '../events.ts'
import type { Checker, CheckerHost } from './checker.ts'

type ProbeBy<By extends IndexProbe['by']> = Extract<IndexProbe, { by: By }>

export class Indexes implements Checker {
  readonly #host: CheckerHost

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    if (event.type !== 'scanned') return
    const { scan } = event
    for (const problem of scan.problems) this.#host.violate(21, `the store's own check says: ${problem}`)
    const copies = scan.queues.flatMap((queue) => queue.copies)
    for (const probe of scan.probes) this.#check(probe, scan, copies)
  }

  #check(probe: IndexProbe, scan: Scan, copies: readonly Copy[]): void {
    switch (probe.by) {
      case 'id': {
        const expected = copies.filter(({ messageId }) => messageId === probe.messageId)
        this.#compare(`the id ${probe.messageId}`, probe.found, expected, scan, 1)
        return
      }
      case 'key': {
        const expected = copies.filter(
          ({ queue, keys }) => queue.topic === probe.topic && keys.includes(probe.key),
        )
        this.#compare(`the key ${probe.key} of ${probe.topic}`, probe.found, expected, scan, -1)
        return
      }
      case 'due':
        this.#checkDue(probe, scan)
        return
      case 'time':
        this.#checkTime(probe, scan)
    }
  }

  /** Places in the order of their store times: ascending or descending. */
  #compare(
    what: string,
    found: readonly string[],
    expected: readonly Copy[],
    scan: Scan,
    direction: 1 | -1,
  ): void {
    const shown = new Set(scan.queues.map(({ queue }) => nameOf(queue)))
    // Queues that a topic has hidden are found all the same.
    const visible = found.filter((place) => shown.has(place.slice(0, place.lastIndexOf(':'))))
    const places = expected.map(placeOf)
    const isSame = visible.length === places.length && places.every((place) => visible.includes(place))
    if (!isSame) {
      this.#host.violate(
        21,
        `by ${what}: found ${visible.join(', ') || 'nothing'}, stored ${places.join(', ') || 'nowhere'}`,
      )
      return
    }
    const times = visible.map((place) => expected[places.indexOf(place)]?.storeTimestamp ?? 0)
    if (times.some((time, index) => index > 0 && (time - times[index - 1]!) * direction < 0))
      this.#host.violate(21, `by ${what}: the order is wrong: ${visible.join(', ')}`)
  }

  /** The first of those that wait for a time in the range. */
  #checkDue({ topic, begin, end, maxCount, found }: ProbeBy<'due'>, { waiting }: Scan): void {
    const inRange = waiting.filter(
      ({ copy, deliveryTimestamp: due }) => copy.topic === topic && due >= begin && due <= end,
    )
    const expected = inRange.slice(0, maxCount).map(({ copy }) => copy.number)
    if (found.join() !== expected.join())
      this.#host.violate(
        21,
        `of ${topic} wait from ${begin} to ${end}: ${found.join(', ')}, instead of ${expected.join(', ')}`,
      )
  }

  #checkTime({ queue, timestamp, offset }: ProbeBy<'time'>, scan: Scan): void {
    const found = scan.queues.find((each) => nameOf(each.queue) === nameOf(queue))
    if (found === undefined) return
    const first =
      found.copies.find(({ storeTimestamp }) => storeTimestamp >= timestamp)?.offset ?? found.maxOffset
    if (offset !== first)
      this.#host.violate(
        21,
        `the first of ${nameOf(queue)} since ${timestamp} is ${first}, but ${offset} was found`,
      )
  }
}
