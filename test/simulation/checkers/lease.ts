/**
 * 16. Lease: what a simple consumer received nobody else of its group gets before its time is over; what is acknowledged
 * never comes again. A handle that counts is accepted, one that does not is refused: whose time is over, that was replaced
 * or reset, or whose message is acknowledged, unless it is to be acknowledged once more in the life that gave it. Each answer says when the message is
 * visible again, as long after the question as was asked for.
 *
 * Allowed: a reset makes the messages come besides; what became of a question whose answer was lost nobody knows.
 */
import type { SettleCall } from '../consumer-events.ts'
import { nameOf, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import type { Delivery } from '../model/deliveries.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** What must become of a handle; `undefined`: either. */
type Expectation = 'accepted' | 'refused' | undefined

/** A receive under way, and what the wall clock showed meanwhile. */
interface Popping {
  readonly invisibleMs: number
  lowestMs: number
  highestMs: number
}

const FIRST_RETRY_LEVEL = 3
const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }

export class Lease implements Checker {
  readonly #host: CheckerHost
  readonly #levelsMs: readonly number[]
  readonly #popping = new Map<number, Popping>()
  /** By settlement: what must become of each handle, and when it was asked. */
  readonly #settling = new Map<
    number,
    { readonly wallMs: number; readonly expected: readonly Expectation[] }
  >()

  constructor(host: CheckerHost) {
    this.#host = host
    const levels = host.profile.messageDelayLevel.split(' ')
    this.#levelsMs = levels.map((text) => Number.parseInt(text, 10) * (UNITS_MS[text.at(-1) ?? ''] ?? 0))
  }

  observe(event: SimEvent, stamp: Stamp): void {
    const { wallMs } = stamp
    switch (event.type) {
      case 'jumping':
        for (const popping of this.#popping.values())
          for (const each of [wallMs, wallMs + event.byMs]) widen(popping, each)
        return
      case 'popping':
        this.#popping.set(event.id, {
          invisibleMs: event.invisibleMs,
          lowestMs: wallMs,
          highestMs: wallMs,
        })
        return
      case 'popped':
        this.#checkPopped(event, wallMs)
        return
      case 'settling':
        this.#settling.set(event.settle.id, { wallMs, expected: this.#expect(event.settle, stamp) })
        return
      case 'settled':
        this.#checkSettled(event)
        return
      case 'opened':
        this.#popping.clear()
        this.#settling.clear()
    }
  }

  #checkPopped({ id, group, popped }: SimEventOf<'popped'>, wallMs: number): void {
    const popping = this.#popping.get(id)
    this.#popping.delete(id)
    if (popping !== undefined) widen(popping, wallMs)
    for (const { handle, copy } of popped) {
      const delivery = this.#host.model.deliveries.byHandle(handle)
      if (delivery === undefined || popping === undefined) continue
      this.#checkTime(delivery, popping)
      const { number } = copy
      const others = this.#host.model.deliveries.of(group, number).filter((each) => each !== delivery)
      this.#checkOthers(delivery, others, wallMs)
    }
  }

  #checkTime(delivery: Delivery, { invisibleMs, lowestMs, highestMs }: Popping): void {
    const { visibleTimestamp } = delivery
    if (visibleTimestamp >= lowestMs + invisibleMs && visibleTimestamp <= highestMs + invisibleMs) return
    this.#host.violate(
      16,
      `${what(delivery)} is visible at ${visibleTimestamp}, although it was asked for ${invisibleMs} ms from ${lowestMs} on`,
    )
  }

  /** After a reset a message goes two ways, and each is for itself. */
  #checkOthers(delivery: Delivery, others: readonly Delivery[], wallMs: number): void {
    const { deliveries } = this.#host.model
    const isForked = others.some(({ resetCount }) => resetCount < delivery.resetCount)
    for (const other of others) {
      const isSamePlace = other.label === delivery.label && other.offset === delivery.offset
      if (other.isUnclear || other.voidAt !== undefined || (isForked && !isSamePlace)) continue
      if (other.resetCount < delivery.resetCount) continue
      if (other.isAcked) this.#host.violate(16, `${what(delivery)} comes again, although it was acknowledged`)
      else if (!deliveries.isDue(other, wallMs) && !deliveries.isSettling(other))
        this.#host.violate(
          16,
          `${what(delivery)} comes ${other.visibleTimestamp - wallMs} ms before it is visible again`,
        )
    }
  }

  #expect(settle: SettleCall, stamp: Stamp): Expectation[] {
    return settle.handles.map((handle) => this.#expectationOf(settle, handle, stamp))
  }

  #expectationOf({ id, how }: SettleCall, handle: string, { wallMs, life }: Stamp): Expectation {
    const { deliveries } = this.#host.model
    const delivery = deliveries.byHandle(handle)
    if (delivery === undefined || delivery.isUnclear || deliveries.isSettling(delivery, id)) return undefined
    if (delivery.voidAt !== undefined || delivery.handle !== handle) return 'refused'
    if (wallMs >= delivery.visibleTimestamp) return 'refused'
    // It was over before the clock was set back: then the message may be visible, or not yet.
    if (deliveries.isDue(delivery, wallMs)) return undefined
    if (!delivery.isAcked) return 'accepted'
    // Of a handle from an earlier life nobody knows whether its message was acknowledged or kept longer.
    return how === 'ack' && delivery.handleLife === life ? 'accepted' : 'refused'
  }

  #checkSettled({ settle, refused, receipt }: SimEventOf<'settled'>): void {
    const asked = this.#settling.get(settle.id)
    this.#settling.delete(settle.id)
    if (asked === undefined) return
    settle.handles.forEach((handle, index) => {
      const expected = asked.expected[index]
      const isRefused = refused.includes(handle)
      const delivery = this.#host.model.deliveries.byHandle(handle)
      if (delivery === undefined || expected === undefined) return
      if (isRefused && expected === 'accepted')
        this.#host.violate(
          16,
          `the ${settle.how} of ${what(delivery)} is refused, although its handle counts`,
        )
      if (!isRefused && expected === 'refused')
        this.#host.violate(
          16,
          `the ${settle.how} of ${what(delivery)} is accepted, although its handle is void`,
        )
      if (!isRefused && receipt !== undefined)
        this.#checkReceipt(settle, delivery, receipt.visibleTimestamp - asked.wallMs)
    })
  }

  #checkReceipt(settle: SettleCall, delivery: Delivery, gotMs: number): void {
    const wantedMs = settle.how === 'change' ? settle.invisibleMs : this.#nackMs(delivery)
    if (gotMs !== wantedMs)
      this.#host.violate(
        16,
        `after a ${settle.how} ${what(delivery)} is visible in ${gotMs} ms instead of ${wantedMs}`,
      )
  }

  /** As long as the retries of push consumers; what had its last attempt is given up at once. */
  #nackMs({ group, attempt }: Delivery): number {
    const limit = this.#host.model.groups.get(group)?.maxReconsumeTimes ?? 0
    if (attempt > limit) return 0
    const level = FIRST_RETRY_LEVEL + attempt - 1
    return this.#levelsMs[Math.min(level, this.#levelsMs.length) - 1] ?? 0
  }
}

function widen(popping: Popping, wallMs: number): void {
  popping.lowestMs = Math.min(popping.lowestMs, wallMs)
  popping.highestMs = Math.max(popping.highestMs, wallMs)
}

function what({ group, queue, offset, number, attempt }: Delivery): string {
  return `message ${number} at ${nameOf(queue)}:${offset}, attempt ${attempt} of ${group},`
}
