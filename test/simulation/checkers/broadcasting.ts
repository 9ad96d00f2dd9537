/**
 * 18. Broadcasting: each member has offsets of its own, gets nothing twice without a reason, and gives a message up only
 * when it failed as often as its group permits, or was wished to be given up. That it gets everything is seen to by the
 * checkers of loss and of filters, which ask for each member.
 */
import {
  type Call,
  type Copy,
  nameOf,
  ownerOf,
  placeOf,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { Repeats } from './repeats.ts'

/** The last attempt of a member. */
interface Attempt {
  readonly call: Call
  readonly copy: Copy
  readonly startedMs: number
  /** `undefined` while it runs. */
  hasFailed?: boolean
  isWished: boolean
}

export class Broadcasting implements Checker {
  readonly #host: CheckerHost
  readonly #repeats: Repeats
  /** By owner and place. */
  readonly #attempts = new Map<string, Attempt>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#repeats = new Repeats(host)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    this.#repeats.observe(event, stamp)
    switch (event.type) {
      case 'calling':
        if (this.#groupOf(event.call.group) !== undefined) this.#noteCall(event.call, stamp.elapsedMs)
        return
      case 'answered':
        this.#noteAnswer(event)
        return
      case 'dropped':
        this.#checkDropped(event, stamp.elapsedMs)
        return
      case 'scanned':
        this.#checkOffsets()
    }
  }

  #groupOf(name: string): GroupProfile | undefined {
    const group = this.#host.model.groups.get(name)
    return group?.kind === 'broadcasting' ? group : undefined
  }

  #noteCall(call: Call, nowMs: number): void {
    const owner = ownerOf(call)
    for (const copy of this.#repeats.find(call, nowMs))
      this.#host.violate(
        18,
        `message ${copy.number} at ${placeOf(copy)} comes to ${owner} again without a reason`,
      )
    for (const copy of call.copies)
      this.#attempts.set(keyOf(owner, copy), { call, copy, startedMs: nowMs, isWished: false })
  }

  #noteAnswer({ call, succeededCount, delayLevel }: SimEventOf<'answered'>): void {
    for (const [index, copy] of call.copies.entries()) {
      const attempt = this.#attempts.get(keyOf(ownerOf(call), copy))
      if (attempt?.call.id !== call.id) continue
      attempt.hasFailed = index >= succeededCount
      attempt.isWished = delayLevel < 0
    }
  }

  #checkDropped(
    { group: name, member, queue, offset, reconsumeTimes }: SimEventOf<'dropped'>,
    nowMs: number,
  ): void {
    const group = this.#groupOf(name)
    const label = this.#host.model.queues.current(queue)?.label
    if (group === undefined || label === undefined) return
    const owner = ownerOf({ group: name, member })
    const attempt = this.#attempts.get(keyOf(owner, { label, offset }))
    const place = `${nameOf(queue)}:${offset}`
    if (attempt === undefined) {
      // What takes too long may outlive its queue, and there is another one of that name.
      const hasHad = [...this.#attempts].some(
        ([key, { copy }]) =>
          key.startsWith(`${owner}@`) && copy.offset === offset && nameOf(copy.queue) === nameOf(queue),
      )
      if (hasHad) return
      this.#host.violate(18, `${owner} drops ${place}, which it never got`)
      return
    }
    const { call, copy, startedMs, hasFailed, isWished } = attempt
    const isTimedOut = nowMs - startedMs >= call.timeoutMs
    if (hasFailed !== true && !isTimedOut)
      this.#host.violate(18, `${owner} drops message ${copy.number} at ${place}, which did not fail`)
    const limit = group.dropsFailures ? 0 : group.maxReconsumeTimes
    if (copy.reconsumeTimes < limit && !isWished)
      this.#host.violate(
        18,
        `${owner} drops message ${copy.number} at ${place} after ${copy.reconsumeTimes} retries of ${limit}`,
      )
    if (reconsumeTimes !== copy.reconsumeTimes + 1)
      this.#host.violate(
        18,
        `${owner} drops ${place} after ${reconsumeTimes} failures instead of ${copy.reconsumeTimes + 1}`,
      )
  }

  #checkOffsets(): void {
    for (const { before, found, isUnclear } of this.#host.model.comparison?.offsets ?? []) {
      if (isUnclear || before.member === undefined || found === undefined || before.asked.has(found)) continue
      const asked = [...before.asked].join(', ') || 'nothing'
      this.#host.violate(
        18,
        `the offset of ${ownerOf(before)} in ${nameOf(before.queue)} is ${found}, but the member asked for ${asked}`,
      )
    }
  }
}

function keyOf(owner: string, { label, offset }: Pick<Copy, 'label' | 'offset'>): string {
  return `${owner}@${label}:${offset}`
}
