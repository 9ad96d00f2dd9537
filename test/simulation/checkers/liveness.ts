/**
 * 24. Liveness: when troubles are over everything that can be delivered is delivered, new messages at once and refused
 * ones in time; closing ends in its time; no promise stays open, no rejection goes unheard, and what is closed calls no
 * listener.
 */
import { type Call, placeOf, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** A healthy instance delivers within this. */
const PROMPT_MS = 250
/** The first retry comes after the third delay level. */
const FIRST_RETRY_MS = 10_000
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
  /** When deliveries began and what failed, by group and number, since the probe began. */
  readonly #deliveries = new Map<string, number[]>()
  readonly #failures = new Map<string, number>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { elapsedMs }: Stamp): void {
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
      case 'calling':
        this.#checkOpen(event.call)
        if (this.#isProbing) this.#noteDelivery(event.call, elapsedMs)
        return
      case 'answered':
        if (this.#isProbing) this.#noteFailure(event, elapsedMs)
        return
      case 'probing':
        this.#isProbing = true
        return
      case 'stored':
        if (this.#isProbing)
          for (const number of event.send.numbers) this.#probes.push({ number, storedMs: elapsedMs })
        return
      case 'probed':
        this.#isProbing = false
        this.#checkProbes(elapsedMs)
    }
  }

  #checkOpen({ member, copies }: Call): void {
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

  #noteDelivery({ group, copies }: Call, nowMs: number): void {
    for (const { number } of copies) {
      const key = `${group}@${number}`
      this.#deliveries.set(key, [...(this.#deliveries.get(key) ?? []), nowMs])
    }
  }

  #noteFailure({ call, succeededCount }: SimEventOf<'answered'>, nowMs: number): void {
    const limit = this.#host.model.groups.get(call.group)?.maxReconsumeTimes ?? 0
    for (const { number, reconsumeTimes } of call.copies.slice(succeededCount))
      if (reconsumeTimes < limit && reconsumeTimes === 0) this.#failures.set(`${call.group}@${number}`, nowMs)
  }

  #checkProbes(nowMs: number): void {
    for (const { number, storedMs } of this.#probes) {
      const message = this.#host.model.message(number)
      for (const { name } of this.#host.profile.groups) {
        if (message === undefined || !this.#host.model.wants(name, message.topic, message.tag)) continue
        const first = this.#deliveries.get(`${name}@${number}`)?.[0]
        if (first === undefined || first > storedMs + PROMPT_MS)
          this.#host.violate(
            24,
            `message ${number} came to ${name} ${first === undefined ? 'not' : `${first - storedMs} ms`} after it was stored`,
          )
      }
    }
    for (const [key, failedMs] of this.#failures) {
      const dueMs = failedMs + FIRST_RETRY_MS
      const again = this.#deliveries.get(key)?.find((startedMs) => startedMs > failedMs)
      if (dueMs + PROMPT_MS < nowMs && (again === undefined || again > dueMs + PROMPT_MS))
        this.#host.violate(
          24,
          `the retry of ${key} came ${again === undefined ? 'not' : `${again - dueMs} ms`} after it was due`,
        )
    }
  }

  #longestCloseMs(): number {
    return Math.max(...this.#host.profile.groups.map(({ closeTimeoutMs }) => closeTimeoutMs))
  }
}
