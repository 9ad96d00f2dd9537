/**
 * 20. Retention: only what the rule allows is removed, the lowest offset of a queue never falls, and a group that had
 * not come so far is told.
 *
 * Age is by the wall clock, so a clock that was set forward makes messages old. By bytes a generation goes as a whole:
 * together with all that came after it, it exceeds the rule.
 */
import { nameOf, ownerOf, type Scan, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import { LogAccount } from '../model/log-account.ts'
import type { Comparison, FoundOffset, Trimmed } from '../model/model.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** A generation takes in commits until it has this much, or a twenty-fourth of the rule if that is more. */
const GENERATION_BYTES = 16 * 1024

export class Retention implements Checker {
  readonly #host: CheckerHost
  readonly #log: LogAccount
  readonly #minOffsets = new Map<string, number>()
  /** Since the last look: the latest that the wall clock showed, and who was told of a loss. */
  #latestTimestamp = 0
  #told: SimEventOf<'message-lost'>[] = []

  constructor(host: CheckerHost) {
    this.#host = host
    this.#log = new LogAccount(host.model)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    const { wallMs } = stamp
    this.#log.observe(event, stamp)
    this.#latestTimestamp = Math.max(this.#latestTimestamp, wallMs)
    switch (event.type) {
      case 'message-lost':
        this.#told.push(event)
        return
      case 'scanned':
        this.#check(event.scan)
        this.#log.noteLook(event.scan)
        this.#latestTimestamp = wallMs
        this.#told = []
    }
  }

  #check(scan: Scan): void {
    const { comparison } = this.#host.model
    if (comparison === undefined) return
    for (const trimmed of comparison.trimmed) {
      this.#checkRule(trimmed, comparison, scan)
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

  #checkRule(trimmed: Trimmed, comparison: Comparison, scan: Scan): void {
    const { maxBytes } = this.#host.profile.retention
    if (maxBytes === Infinity) this.#checkAge(trimmed)
    else this.#checkBytes(trimmed, this.#log.unseenBytes(scan, comparison))
  }

  #checkAge({ queue, slots }: Trimmed): void {
    const oldEnough = this.#latestTimestamp - this.#host.profile.retention.maxAgeMs
    const young = slots.find(({ storeTimestamp }) => storeTimestamp > oldEnough)
    if (young === undefined) return
    const place = `${nameOf(queue.name)}:${young.offset}`
    this.#host.violate(20, `${place} is gone, ${young.storeTimestamp - oldEnough} ms too young`)
  }

  /** Before the commit of a message, its generation held less than a generation takes in. */
  #checkBytes({ queue, slots }: Trimmed, unseenBytes: number): void {
    const { maxBytes } = this.#host.profile.retention
    const last = [...slots].sort((a, b) => a.offset - b.offset).at(-1)
    if (last === undefined) return
    const bytes = this.#log.bytesFrom(queue, last) + unseenBytes
    if (bytes + Math.max(GENERATION_BYTES, Math.floor(maxBytes / 24)) > maxBytes) return
    const place = `${nameOf(queue.name)}:${last.offset}`
    this.#host.violate(20, `${place} is gone although only ${bytes} bytes of ${maxBytes} lay behind it`)
  }

  #checkTold({ queue, from, to }: Trimmed, offsets: readonly FoundOffset[]): void {
    for (const { before, found } of offsets) {
      if (nameOf(before.queue) !== nameOf(queue.name) || before.stored === undefined) continue
      // What simple consumers asked for is not told; who has moved may have done so in time.
      const isSimple = this.#host.model.groups.get(before.group)?.kind === 'simple'
      if (isSimple && found !== before.stored) continue
      const isBehind = Math.max(before.stored, from) < to && Math.max(0, ...before.asked) < to
      const isTold = this.#told.some(
        ({ group, member, queue: name, toOffset }) =>
          group === before.group &&
          member === before.member &&
          nameOf(name) === nameOf(queue.name) &&
          toOffset >= to,
      )
      if (isBehind && !isTold)
        this.#host.violate(
          20,
          `${ownerOf(before)} stood at ${before.stored} in ${nameOf(queue.name)} and was not told of ${to}`,
        )
    }
  }
}
