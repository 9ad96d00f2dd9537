/**
 * 20. Retention: only what the rule allows is removed, the lowest offset of a queue never falls, and a group that had
 * not come so far is told.
 *
 * Age is by the wall clock, so a clock that was set forward makes messages old. By bytes a generation goes as a whole:
 * together with what is kept it exceeds the rule.
 */
import { nameOf, type Scan, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import type { FoundOffset, Trimmed } from '../model/model.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** At least this much makes a generation (docs/format.md), and all of one commit goes into one. */
const GENERATION_BYTES = 16 * 1024
const LARGEST_COMMIT_BYTES = 64 * 1024
/** Bytes of a stored batch beside its messages, at most. */
const BATCH_OVERHEAD_BYTES = 64

export class Retention implements Checker {
  readonly #host: CheckerHost
  readonly #minOffsets = new Map<string, number>()
  /** Since the last look: the latest that the wall clock showed, and who was told of a loss. */
  #latestTimestamp = 0
  #told: SimEventOf<'message-lost'>[] = []

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { wallMs }: Stamp): void {
    this.#latestTimestamp = Math.max(this.#latestTimestamp, wallMs)
    switch (event.type) {
      case 'message-lost':
        this.#told.push(event)
        return
      case 'scanned':
        this.#check(event.scan)
        this.#latestTimestamp = wallMs
        this.#told = []
    }
  }

  #check(scan: Scan): void {
    const { comparison } = this.#host.model
    if (comparison === undefined) return
    for (const trimmed of comparison.trimmed) {
      this.#checkRule(trimmed, scan)
      if (!comparison.isOpening) this.#checkTold(trimmed, comparison.offsets)
    }
    for (const { queue, minOffset, copies } of scan.queues) {
      const label = copies[0]?.label ?? this.#host.model.queues.current(queue)?.label ?? nameOf(queue)
      const before = this.#minOffsets.get(label) ?? 0
      this.#minOffsets.set(label, minOffset)
      if (minOffset < before && comparison.cutLife === undefined)
        this.#host.violate(20, `${nameOf(queue)} begins at ${minOffset} again, after ${before}`)
    }
  }

  #checkRule({ queue, from, to, slots }: Trimmed, scan: Scan): void {
    const { maxAgeMs, maxBytes } = this.#host.profile.retention
    const name = nameOf(queue.name)
    const oldEnough = this.#latestTimestamp - maxAgeMs
    const young = slots.find(({ storeTimestamp }) => storeTimestamp > oldEnough)
    if (maxBytes === Infinity) {
      if (young !== undefined)
        this.#host.violate(
          20,
          `${name}:${young.offset} is gone, ${young.storeTimestamp - oldEnough} ms too young`,
        )
      return
    }
    const kept = scan.queues.flatMap(({ copies }) => copies)
    const keptBytes = kept.reduce((sum, { storeSize }) => sum + storeSize + BATCH_OVERHEAD_BYTES, 0)
    const generation = Math.max(GENERATION_BYTES, Math.floor(maxBytes / 24)) + LARGEST_COMMIT_BYTES
    if (young !== undefined && keptBytes + generation < maxBytes)
      this.#host.violate(
        20,
        `${name} lost ${from} to ${to} although only ${keptBytes} bytes of ${maxBytes} are left`,
      )
  }

  #checkTold({ queue, from, to }: Trimmed, offsets: readonly FoundOffset[]): void {
    for (const { before } of offsets) {
      if (nameOf(before.queue) !== nameOf(queue.name) || before.stored === undefined) continue
      const isBehind = Math.max(before.stored, from) < to && Math.max(0, ...before.asked) < to
      const isTold = this.#told.some(
        ({ group, queue: name, toOffset }) =>
          group === before.group && nameOf(name) === nameOf(queue.name) && toOffset >= to,
      )
      if (isBehind && !isTold)
        this.#host.violate(
          20,
          `${before.group} stood at ${before.stored} in ${nameOf(queue.name)} and was not told of ${to}`,
        )
    }
  }
}
