/**
 * 24. Liveness: when troubles are over everything that can be delivered is delivered, new messages at once and refused
 * ones in time, to groups of every kind and to each broadcasting member; closing ends in its time; no promise stays open, no
 * rejection goes unheard, and what is closed delivers nothing.
 */
import {
  type Copy,
  deliveryIn,
  ownerOf,
  placeOf,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { type GroupProfile, membersOf } from '../model/group-profile.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** A healthy instance delivers within this. */
const PROMPT_MS = 250
/** The first retry comes after the third delay level. */
const FIRST_RETRY_MS = 10_000
/** A broadcasting member that is concurrent gets again what it refused after this. */
const REDELIVERY_MS = 5000
/** What closing may take beyond the time that it gives to listeners. */
const CLOSE_MS = 2000

interface Probe {
  readonly number: number
  readonly storedMs: number
}

export class Liveness implements Checker {
  readonly #host: CheckerHost
  #isClosed = false
  readonly #left = new Set<string>()
  /** When troubles ended. */
  #calmedMs = Infinity
  #isProbing = false
  readonly #probes: Probe[] = []
  /** When deliveries began and what failed, by owner and number, since the probe began. */
  readonly #deliveries = new Map<string, number[]>()
  readonly #failures = new Map<string, { readonly failedMs: number; readonly againMs: number }>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { elapsedMs }: Stamp): void {
    const delivery = deliveryIn(event)
    if (delivery !== undefined) {
      this.#checkOpen(delivery)
      if (this.#isProbing) this.#noteDelivery(this.#host.model.ownerOf(delivery), delivery.copies, elapsedMs)
    }
    switch (event.type) {
      case 'overdue':
        this.#host.violate(24, `${event.what} is overdue`)
        return
      case 'open-failed':
        this.#host.violate(24, `the store does not open: ${event.refusal.code} ${event.refusal.text}`)
        return
      case 'unhandled':
        this.#host.violate(24, `nobody handles the rejection ${event.text}`)
        return
      case 'opened':
        this.#isClosed = false
        return
      case 'calmed':
        this.#calmedMs = elapsedMs
        return
      case 'closed':
        this.#isClosed = true
        this.#checkClose('the instance', elapsedMs - event.tookMs, elapsedMs, this.#longestCloseMs())
        return
      case 'left':
        this.#left.add(event.member)
        this.#checkClose(
          event.member,
          elapsedMs - event.tookMs,
          elapsedMs,
          this.#host.model.groups.get(event.group)?.closeTimeoutMs ?? 0,
        )
        return
      case 'joining':
        // A broadcasting member comes back under its name.
        this.#left.delete(event.member)
        return
      case 'answered':
        if (this.#isProbing) this.#noteFailure(event, elapsedMs)
        return
      case 'settled':
        if (this.#isProbing) this.#noteNack(event, elapsedMs)
        return
      case 'probing':
        this.#isProbing = true
        return
      case 'stored':
        if (this.#isProbing && event.receipt.wait === undefined)
          for (const number of event.send.numbers) this.#probes.push({ number, storedMs: elapsedMs })
        return
      case 'ended':
        if (this.#isProbing && event.ending.end === 'COMMIT')
          this.#probes.push({ number: event.ending.number, storedMs: elapsedMs })
        return
      case 'probed':
        this.#isProbing = false
        this.#checkProbes(elapsedMs)
    }
  }

  #checkOpen({ member, copies }: NonNullable<ReturnType<typeof deliveryIn>>): void {
    if (this.#isClosed)
      this.#host.violate(24, `a closed instance delivers ${placeOf(copies[0]!)} to ${member}`)
    if (this.#left.has(member)) this.#host.violate(24, `${member} has left and gets ${placeOf(copies[0]!)}`)
  }

  #checkClose(what: string, sinceMs: number, nowMs: number, timeoutMs: number): void {
    const { slowDisk, diskFaults, fullDisk, verbFaults } = this.#host.profile.troubles
    // It may have had to wait for a disk that was still slow.
    if (slowDisk + diskFaults + fullDisk + verbFaults > 0 && sinceMs < this.#calmedMs) return
    const tookMs = nowMs - sinceMs
    if (tookMs > timeoutMs + CLOSE_MS)
      this.#host.violate(24, `${what} took ${tookMs} ms to close instead of ${timeoutMs}`)
  }

  #noteDelivery(owner: string, copies: readonly Copy[], nowMs: number): void {
    for (const { number } of copies) {
      const key = `${owner}@${number}`
      this.#deliveries.set(key, [...(this.#deliveries.get(key) ?? []), nowMs])
    }
  }

  #noteFailure({ call, succeededCount }: SimEventOf<'answered'>, nowMs: number): void {
    const group = this.#host.model.groups.get(call.group)
    const againMs = group === undefined ? undefined : redeliveryMs(group)
    if (group === undefined || againMs === undefined) return
    const owner = this.#host.model.ownerOf(call)
    for (const { number, reconsumeTimes } of call.copies.slice(succeededCount))
      if (reconsumeTimes < group.maxReconsumeTimes && reconsumeTimes === 0)
        this.#failures.set(`${owner}@${number}`, { failedMs: nowMs, againMs })
  }

  /** Its queue has lost nothing, so the first retry comes like that of a push consumer. */
  #noteNack({ settle, refused }: SimEventOf<'settled'>, nowMs: number): void {
    if (settle.how !== 'nack' || refused.length > 0) return
    const delivery = this.#host.model.deliveries.byHandle(settle.handles[0] ?? '')
    const limit = this.#host.model.groups.get(settle.group)?.maxReconsumeTimes ?? 0
    if (delivery?.attempt !== 1 || limit === 0) return
    this.#failures.set(`${settle.group}@${delivery.number}`, { failedMs: nowMs, againMs: FIRST_RETRY_MS })
  }

  #checkProbes(nowMs: number): void {
    for (const probe of this.#probes)
      for (const group of this.#host.profile.groups)
        for (const member of membersOf(group)) this.#checkProbe(probe, group, member)
    for (const [key, { failedMs, againMs }] of this.#failures) {
      const dueMs = failedMs + againMs
      const again = this.#deliveries.get(key)?.find((startedMs) => startedMs > failedMs)
      if (dueMs + PROMPT_MS < nowMs && (again === undefined || again > dueMs + PROMPT_MS))
        this.#host.violate(
          24,
          `the retry of ${key} came ${again === undefined ? 'not' : `${again - dueMs} ms`} after it was due`,
        )
    }
  }

  #checkProbe({ number, storedMs }: Probe, group: GroupProfile, member: string | undefined): void {
    const message = this.#host.model.message(number)
    if (message === undefined || !this.#host.model.wants(group.name, message)) return
    const owner = ownerOf({ group: group.name, member })
    const first = this.#deliveries.get(`${owner}@${number}`)?.[0]
    const heldMs = heldByFailuresMs(group)
    if (first === undefined || first > storedMs + heldMs + PROMPT_MS)
      this.#host.violate(
        24,
        `message ${number} came to ${owner} ${first === undefined ? 'not' : `${first - storedMs} ms`} after it was stored`,
      )
  }

  #longestCloseMs(): number {
    return Math.max(...this.#host.profile.groups.map(({ closeTimeoutMs }) => closeTimeoutMs))
  }
}

/** How long what was refused before may hold a message up; one in seven is. */
function heldByFailuresMs(group: GroupProfile): number {
  const { kind, isOrderly, suspendCurrentQueueTimeMs, dropsFailures } = group
  if (isOrderly) return kind === 'simple' ? 0 : suspendCurrentQueueTimeMs
  // What stays in its place is not finished, and so little may be fetched beside it.
  const isTight = Math.min(group.pullThresholdForQueue, group.consumeConcurrentlyMaxSpan) <= 10
  return kind === 'broadcasting' && !dropsFailures && isTight ? REDELIVERY_MS : 0
}

/** When a message that a listener refused comes again; `undefined`: never. */
function redeliveryMs(group: GroupProfile): number | undefined {
  if (group.dropsFailures) return undefined
  if (group.isOrderly) return group.suspendCurrentQueueTimeMs
  return group.kind === 'broadcasting' ? REDELIVERY_MS : FIRST_RETRY_MS
}
