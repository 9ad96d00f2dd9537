/**
 * 12. Backoff: retry n comes not before its delay level (3 + n, or the one that the listener asked for) is over by the
 * wall clock, and where nothing goes wrong it is stored within a second of that.
 *
 * A wall clock that is set forward makes retries due, one that is set back does not make them undone.
 */
import { type Copy, placeOf, type SendBackCall, type SimEvent, type Stamp } from '../events.ts'
import type { Checker, CheckerHost } from './checker.ts'

interface Waiting {
  readonly dueTimestamp: number
  /** The latest that the wall clock was seen to be since. */
  latestTimestamp: number
}

const LATE_MS = 1000
const FIRST_RETRY_LEVEL = 3
const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }

export class Backoff implements Checker {
  readonly #host: CheckerHost
  readonly #levels: readonly number[]
  /** By group, number and count of the retry. */
  readonly #waiting = new Map<string, Waiting[]>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#levels = host.profile.messageDelayLevel.split(' ').map(levelMs)
  }

  observe(event: SimEvent, { wallMs }: Stamp): void {
    switch (event.type) {
      case 'jumping':
        for (const waits of this.#waiting.values())
          for (const wait of waits) wait.latestTimestamp = Math.max(wait.latestTimestamp, wallMs)
        return
      case 'sending-back':
        this.#note(event.back, wallMs)
        return
      case 'sent-back':
        this.#checkPromise(event)
        return
      case 'calling':
        for (const copy of event.call.copies)
          if (copy.reconsumeTimes > 0) this.#check(event.call.group, copy, wallMs)
    }
  }

  #note(back: SendBackCall, wallMs: number): void {
    if (back.delayLevel < 0) return
    const key = keyOf(back.group, back.copy.number, back.copy.reconsumeTimes + 1)
    const waits = this.#waiting.get(key) ?? []
    waits.push({ dueTimestamp: wallMs + this.#delayOf(back), latestTimestamp: wallMs })
    this.#waiting.set(key, waits)
  }

  #checkPromise({ back, dueTimestamp }: Extract<SimEvent, { type: 'sent-back' }>): void {
    if (dueTimestamp === undefined) return
    const waits = this.#waiting.get(keyOf(back.group, back.copy.number, back.copy.reconsumeTimes + 1)) ?? []
    if (waits.some((wait) => wait.dueTimestamp === dueTimestamp)) return
    const due = waits.map((wait) => wait.dueTimestamp).join(', ')
    this.#host.violate(
      12,
      `message ${back.copy.number} is to be retried at ${dueTimestamp} instead of ${due}`,
    )
  }

  #check(group: string, copy: Copy, wallMs: number): void {
    const waits = this.#waiting.get(keyOf(group, copy.number, copy.reconsumeTimes)) ?? []
    if (waits.length === 0) return
    const what = `retry ${copy.reconsumeTimes} of message ${copy.number} at ${placeOf(copy)} for ${group}`
    const isDue = waits.some((wait) => Math.max(wait.latestTimestamp, wallMs) >= wait.dueTimestamp)
    const first = Math.min(...waits.map((wait) => wait.dueTimestamp))
    if (!isDue) this.#host.violate(12, `${what} comes ${first - wallMs} ms too early`)
    const isLate = waits.every((wait) => copy.storeTimestamp > wait.dueTimestamp + LATE_MS)
    if (this.#host.profile.isCalm && isLate)
      this.#host.violate(12, `${what} comes ${copy.storeTimestamp - first} ms too late`)
  }

  #delayOf({ delayLevel, copy }: SendBackCall): number {
    const level = delayLevel > 0 ? delayLevel : FIRST_RETRY_LEVEL + copy.reconsumeTimes
    return this.#levels[Math.min(level, this.#levels.length) - 1] ?? 0
  }
}

function levelMs(text: string): number {
  return Number.parseInt(text, 10) * (UNITS_MS[text.at(-1) ?? ''] ?? 0)
}

function keyOf(group: string, number: number, reconsumeTimes: number): string {
  return `${group}@${number}@${reconsumeTimes}`
}
