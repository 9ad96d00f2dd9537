/**
 * Time that stands still until a test moves it. It belongs to one instance: neither `Date` nor the timers of the
 * application notice. Whatever becomes due happens in order, and everything comes to rest before time moves on.
 *
 * At rest means: a turn of the event loop passed in which nothing of ours happened, and no listener runs. A listener that
 * waits for something real, such as a file, holds the time until it is done; one that does not end within
 * {@link VirtualClockOptions.patienceMs} of real time is taken to wait for something that time or the test brings.
 */
import TinyQueue from 'tinyqueue'
import type { Clock, Timer } from '../model/clock.ts'
import { parseDuration } from '../model/duration.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { realTime } from '../model/system-clock.ts'

/** Milliseconds, or a text such as `'500ms'`, `'10s'`, `'5m'`, `'2h'` or `'3d'`. */
export type Duration = number | string

export interface VirtualClockOptions {
  /** Wall time at the start, in milliseconds since 1970. */
  readonly startTimestamp: number
  /** Real milliseconds that a listener may hold the time. */
  readonly patienceMs: number
  /** Turns of the event loop, and timers, that may pass without time moving. */
  readonly runawayLimit: number
}

interface VirtualTimer {
  readonly dueMs: number
  /** Of timers that are due at the same time the first set fires first, unless the order is shuffled. */
  readonly order: number
  readonly callback: () => void
  readonly scope: ClockScope
  isCancelled: boolean
}

/** Something that comes to its end without time moving, and that time waits for. */
interface Hold {
  readonly sinceMs: number
  readonly patienceMs: number
}

/** Turns without a pause before waiting for real work gives the processor away. */
const BUSY_TURNS = 20

export class VirtualClock {
  readonly #options: VirtualClockOptions
  readonly #timers = new TinyQueue<VirtualTimer>([], compareTimers)
  readonly #holds = new Set<Hold>()
  readonly #agendas = new Set<() => number | undefined>()
  readonly #jumpListeners = new Set<() => void>()
  readonly #own: ClockScope
  #wallMs: number
  #monotonicMs = 0
  #timerCount = 0
  /** Who waits for virtual time does not hold it. */
  #sleepCount = 0
  #deferredCount = 0
  /** Changes whenever something happens. */
  #activity = 0
  #turnsAtInstant = 0
  #isMoving = false
  #nextOrder: () => number

  constructor(options: VirtualClockOptions) {
    this.#options = options
    this.#wallMs = options.startTimestamp
    this.#own = new ClockScope(this)
    this.#nextOrder = () => this.#timerCount
  }

  /** Whether somebody moves time right now. */
  get isMoving(): boolean {
    return this.#isMoving
  }

  /** Wall time in milliseconds since 1970. */
  now(): number {
    return this.#wallMs
  }

  /** Milliseconds since the clock was made; a jump does not change them. */
  monotonicMs(): number {
    return this.#monotonicMs
  }

  /**
   * Moves time forward. All that becomes due on the way happens, in order, each with all its consequences. Rejects with
   * `INVALID_PARAMETER` for something that is no duration, or while time is moved already (a listener cannot move it), and
   * with `CLOCK_RUNAWAY` when things do not stop to happen.
   */
  advance(duration: Duration): Promise<void> {
    return this.#move(() => this.#advanceTo(this.#monotonicMs + toMs(duration)))
  }

  /** Moves time forward to a date, or to milliseconds since 1970; as {@link advance}. */
  async advanceTo(date: Date | number): Promise<void> {
    const timestamp = Number(date)
    if (!Number.isFinite(timestamp)) throw invalidParameter('advanceTo: give a date that is valid.')
    const distanceMs = timestamp - this.#wallMs
    if (distanceMs < 0)
      throw invalidParameter('advanceTo: the date has passed; time moves forward, or use jump().')
    return this.#move(() => this.#advanceTo(this.#monotonicMs + distanceMs))
  }

  /**
   * Moves time to the next moment for which something is scheduled: a retry, a delayed message, a `sleep`. Answers
   * that moment, or `undefined` when nothing is scheduled; then time stays.
   */
  runNext(): Promise<number | undefined> {
    return this.#move(async () => {
      await this.#rest()
      const due = this.nextScheduled()
      if (due === undefined) return undefined
      await this.#advanceTo(this.#monotonicMs + Math.max(0, due - this.#wallMs))
      return due
    })
  }

  /**
   * Moves time forward as far as it takes for a promise to settle, and answers what it answers: for calls that wait for a
   * time, such as `close` while a listener hangs. Rejects with `CLOCK_RUNAWAY` when that is for ever.
   */
  async runUntil<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const note = (): void => {
      isSettled = true
    }
    promise.then(note, note)
    await this.#move(async () => {
      await this.#rest()
      for (let left = this.#options.runawayLimit; !isSettled && this.#timers.length > 0; left--) {
        if (left === 0) throw this.#runaway('A promise does not settle, however far time moves.')
        await this.#fireNext()
      }
    })
    return promise
  }

  /** Sets the wall time forward or back, as an administrator or a time server does; no timer fires, none is moved. */
  jump(duration: number): void {
    if (!Number.isFinite(duration)) throw invalidParameter('jump: give a number of milliseconds.')
    this.#wallMs += duration
    this.#activity += 1
    for (const listener of this.#jumpListeners) listener()
  }

  /** Waits for virtual time, in a listener for example; until the test moves it. */
  sleep(duration: Duration): Promise<void> {
    const dueMs = this.#monotonicMs + toMs(duration)
    const agenda = (): number => this.#wallMs + dueMs - this.#monotonicMs
    this.#agendas.add(agenda)
    this.#sleepCount += 1
    this.#activity += 1
    return new Promise((resolve) => {
      this.#own.setTimer(dueMs - this.#monotonicMs, () => {
        this.#agendas.delete(agenda)
        this.#sleepCount -= 1
        resolve()
      })
    })
  }

  /** Resolves when everything that can happen now has happened. */
  async rest(): Promise<void> {
    if (this.#isMoving) return
    await this.#move(() => this.#rest())
  }

  /** The next moment for which something is scheduled. */
  nextScheduled(): number | undefined {
    const dues = [...this.#agendas].map((agenda) => agenda()).filter((due) => due !== undefined)
    return dues.length === 0 ? undefined : Math.min(...dues)
  }

  /** How many timers wait. */
  get timerCount(): number {
    return this.#timers.data.filter(({ isCancelled, scope }) => !isCancelled && !scope.isEnded).length
  }

  /** Another source of scheduled moments, until the returned function is called. */
  addAgenda(agenda: () => number | undefined): () => void {
    this.#agendas.add(agenda)
    return () => this.#agendas.delete(agenda)
  }

  /** Timers due at the same time fire in the order of these numbers. */
  shuffle(next: () => number): void {
    this.#nextOrder = next
  }

  /** A view for one engine: what it scheduled can be ended all at once. */
  scope(): ClockScope {
    return new ClockScope(this)
  }

  /** Runs work that time waits for. */
  async hold<T>(work: () => T | Promise<T>, patienceMs = this.#options.patienceMs): Promise<T> {
    const hold = { sinceMs: realTime.nowMs(), patienceMs }
    this.#holds.add(hold)
    try {
      return await work()
    } finally {
      this.#holds.delete(hold)
      this.#activity += 1
    }
  }

  /** For {@link ClockScope}. */
  schedule(scope: ClockScope, delayMs: number, callback: () => void): Timer {
    this.#timerCount += 1
    const dueMs = this.#monotonicMs + Math.max(0, delayMs)
    const timer = { dueMs, order: this.#nextOrder(), callback, scope, isCancelled: false }
    this.#timers.push(timer)
    return {
      cancel: () => {
        timer.isCancelled = true
      },
    }
  }

  /** For {@link ClockScope}. */
  onJump(listener: () => void): () => void {
    this.#jumpListeners.add(listener)
    return () => this.#jumpListeners.delete(listener)
  }

  /** For {@link ClockScope}. */
  deferIn(scope: ClockScope, callback: () => void): void {
    this.#deferredCount += 1
    this.#activity += 1
    realTime.defer(() => {
      this.#deferredCount -= 1
      if (!scope.isEnded) callback()
    })
  }

  async #move<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isMoving)
      throw invalidParameter(
        'The clock is being moved already; await one move before the next, outside listeners.',
      )
    this.#isMoving = true
    try {
      return await work()
    } finally {
      this.#isMoving = false
    }
  }

  async #advanceTo(endMs: number): Promise<void> {
    await this.#rest()
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      await this.#fireNext()
    }
    this.#moveTo(endMs)
    await this.#rest()
  }

  #next(): VirtualTimer | undefined {
    for (;;) {
      const next = this.#timers.peek()
      if (next === undefined || !(next.isCancelled || next.scope.isEnded)) return next
      this.#timers.pop()
    }
  }

  async #fireNext(): Promise<void> {
    const next = this.#next()
    if (next === undefined) return
    this.#timers.pop()
    this.#moveTo(next.dueMs)
    this.#countTurn()
    next.callback()
    await this.#rest()
  }

  async #rest(): Promise<void> {
    for (let idleTurns = 0; ; ) {
      const before = this.#activity
      await (idleTurns > BUSY_TURNS ? realTime.sleep(1) : realTime.turn())
      if (before !== this.#activity || this.#deferredCount > 0) {
        idleTurns = 0
        this.#countTurn()
      } else if (this.#isHeld()) {
        idleTurns += 1
      } else {
        return
      }
    }
  }

  #isHeld(): boolean {
    if (this.#holds.size <= this.#sleepCount) return false
    const nowMs = realTime.nowMs()
    const patient = [...this.#holds].filter(({ sinceMs, patienceMs }) => nowMs - sinceMs < patienceMs)
    return patient.length > this.#sleepCount
  }

  #countTurn(): void {
    this.#turnsAtInstant += 1
    if (this.#turnsAtInstant <= this.#options.runawayLimit) return
    this.#turnsAtInstant = 0
    throw this.#runaway(
      `Since ${new Date(this.#wallMs).toISOString()} things keep happening without time moving. Does a listener send to the topic that it consumes?`,
    )
  }

  #runaway(what: string): MQError {
    const { runawayLimit } = this.#options
    return new MQError(
      'CLOCK_RUNAWAY',
      `${what} Given up after ${runawayLimit} turns; raise runawayLimit if that much is meant.`,
    )
  }

  #moveTo(monotonicMs: number): void {
    if (monotonicMs === this.#monotonicMs) return
    this.#wallMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
    this.#turnsAtInstant = 0
  }
}

/** A clock for one engine and its clients over a {@link VirtualClock}. */
export class ClockScope implements Clock {
  readonly #clock: VirtualClock
  #isEnded = false

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  now(): number {
    return this.#clock.now()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#clock.schedule(this, delayMs, callback)
  }

  onJump(listener: () => void): () => void {
    return this.#clock.onJump(() => {
      if (!this.#isEnded) listener()
    })
  }

  defer(callback: () => void): void {
    this.#clock.deferIn(this, callback)
  }

  /** Nothing that was scheduled here happens any more. */
  end(): void {
    this.#isEnded = true
  }
}

function compareTimers(a: VirtualTimer, b: VirtualTimer): number {
  return a.dueMs - b.dueMs || a.order - b.order
}

/** Milliseconds of a duration; throws `INVALID_PARAMETER` for anything else. */
export function toMs(duration: Duration): number {
  const ms = typeof duration === 'string' ? parseDuration(duration) : duration
  if (ms !== undefined && Number.isFinite(ms) && ms >= 0) return ms
  throw invalidParameter(
    `'${duration}' is no duration; give milliseconds, or a text such as 500ms, 10s, 5m, 2h, 3d.`,
  )
}
