/**
 * Time that stands still until a test moves it. It belongs to one instance: neither `Date` nor the timers of the
 * application notice. Whatever becomes due happens in order, and everything comes to rest before time moves on.
 *
 * At rest means: a turn of the event loop passed in which nothing of ours happened, and no listener runs. A listener that
 * waits for something real, such as a file, holds the time until it is done; one that does not end within
 * {@link VirtualClockOptions.patienceMs} of real time is taken to wait for something that time or the test brings.
 */
import TinyQueue from 'tinyqueue'
import type { Timer } from '../model/clock.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { OwnContext } from '../model/own-context.ts'
import { realTime } from '../model/system-clock.ts'
import { ClockScope } from './clock-scope.ts'
import { type Duration, toMs } from './duration.ts'
import { outcomeOf } from './outcome-of.ts'
import { type Hold, Sleepers } from './sleepers.ts'

export interface VirtualClockOptions {
  /** Wall time at the start, in milliseconds since 1970. */
  readonly startTimestamp: number
  /** Real milliseconds that a listener may hold the time. */
  readonly patienceMs: number
  /** Turns of the event loop, and timers, that may pass without time moving. */
  readonly runawayLimit: number
  /** Processor time that may pass at a stretch without a pause and without time moving. Default: no bound. */
  readonly runawayMs?: number
}

interface VirtualTimer {
  readonly dueMs: number
  /** Of timers that are due at the same time the first set fires first, unless the order is shuffled. */
  readonly order: number
  readonly callback: () => void
  readonly scope: ClockScope
  isCancelled: boolean
}

/** Turns without a pause before waiting for real work gives the processor away. */
const BUSY_TURNS = 20
/** Turns between two looks at how much work was done. */
const TURNS_PER_LOOK = 16

export class VirtualClock {
  readonly #options: VirtualClockOptions
  readonly #timers = new TinyQueue<VirtualTimer>([], compareTimers)
  readonly #holds = new Set<Hold>()
  readonly #agendas = new Set<() => number | undefined>()
  readonly #jumpListeners = new Set<() => void>()
  readonly #own: ClockScope
  readonly #sleepers = new Sleepers()
  /** Between the two times. Summing up instead would let fractions of milliseconds add up in wall time. */
  #offsetMs: number
  #monotonicMs = 0
  #timerCount = 0
  #deferredCount = 0
  /** Changes whenever something happens. */
  #activity = 0
  #turnsAtInstant = 0
  #isMoving = false
  #moving: Promise<void> = Promise.resolve()
  #nextOrder: () => number

  constructor(options: VirtualClockOptions) {
    this.#options = options
    this.#offsetMs = options.startTimestamp
    this.#own = this.scope()
    this.#nextOrder = () => this.#timerCount
  }

  /** Wall time in whole milliseconds since 1970. */
  now(): number {
    return Math.floor(this.#offsetMs + this.#monotonicMs)
  }

  /** Milliseconds since the clock was made; a jump does not change them. */
  monotonicMs(): number {
    return this.#monotonicMs
  }

  /**
   * Moves time forward. All that becomes due on the way happens, in order, each with all its consequences. Rejects with
   * `INVALID_PARAMETER` for something that is no duration, or while time is moved already, and with `CLOCK_RUNAWAY` when
   * things do not stop to happen. Not for listeners: time would wait for the listener, and the listener for time.
   */
  advance(duration: Duration): Promise<void> {
    return this.#move(() => this.#advanceTo(this.#monotonicMs + toMs(duration)))
  }

  /** Moves time forward to a date, or to milliseconds since 1970; as {@link advance}. */
  async advanceTo(date: Date | number): Promise<void> {
    const timestamp = Number(date)
    if (!Number.isFinite(timestamp)) throw invalidParameter('advanceTo: give a date that is valid.')
    if (timestamp < this.now())
      throw invalidParameter('advanceTo: the date has passed; time moves forward, or use jump().')
    return this.#move(() => this.#advanceTo(Math.max(this.#monotonicMs, timestamp - this.#offsetMs)))
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
      await this.#advanceTo(this.#monotonicMs + Math.max(0, due - this.#offsetMs - this.#monotonicMs))
      return due
    })
  }

  /** Moves time to the next scheduled moment, if it is not later than this; answers whether it was there. */
  runNextBy(untilTimestamp: number): Promise<boolean> {
    return this.#moveInTurn(async () => {
      await this.#rest()
      const due = this.nextScheduled()
      if (due === undefined || due > untilTimestamp) return false
      await this.#advanceTo(Math.max(this.#monotonicMs, due - this.#offsetMs))
      return true
    })
  }

  /** Moves time to the next timer, scheduled or not, if it is due by then; answers whether it was. */
  runNextTimer(untilTimestamp: number): Promise<boolean> {
    return this.#moveInTurn(async () => {
      await this.#rest()
      const next = this.#next()
      if (next === undefined || this.#offsetMs + next.dueMs > untilTimestamp) return false
      await this.#fireNext()
      return true
    })
  }

  /**
   * Moves time forward as far as it takes for a promise to settle, and answers what it answers: for calls that wait for a
   * time, such as `close` while a listener hangs. If time is being moved already, that is waited for first. Rejects with
   * `CLOCK_RUNAWAY` when it takes for ever.
   */
  async runUntil<T>(promise: Promise<T>): Promise<T> {
    const outcome = outcomeOf(promise)
    while (this.#isMoving && !outcome.isSettled) await Promise.race([outcome.settling, this.#moving])
    if (this.#isMoving) return promise
    await this.#move(async () => {
      await this.#rest()
      for (let left = this.#options.runawayLimit; !outcome.isSettled && this.#timers.length > 0; left--) {
        if (left === 0) throw this.#runaway('A promise does not settle, however far time moves.')
        await this.#fireNext()
      }
    })
    return promise
  }

  /** Sets the wall time forward or back, as an administrator or a time server does; no timer fires, none is moved. */
  jump(byMs: number): void {
    if (!Number.isSafeInteger(byMs)) throw invalidParameter('jump: give a whole number of milliseconds.')
    this.#offsetMs += byMs
    this.#activity += 1
    for (const listener of this.#jumpListeners) listener()
  }

  /**
   * Waits for virtual time, in a listener for example; until the test moves it. Goes on over a crash, as the clock does, and rejects
   * with `CLOSED` when the instance closes.
   */
  sleep(duration: Duration): Promise<void> {
    try {
      return this.#sleepUntil(this.#monotonicMs + toMs(duration))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Who sleeps now is told that there is nothing to wait for any more. */
  endSleeps(error: MQError): void {
    this.#sleepers.end(error)
  }

  /** Resolves when everything that can happen now has happened. */
  async rest(): Promise<void> {
    if (this.#isMoving) return
    await this.#move(() => this.#rest())
  }

  /** The next moment for which something is scheduled. */
  nextScheduled(): number | undefined {
    const dues = [...this.#agendas].map((agenda) => agenda()).filter((due) => due !== undefined)
    for (const { dueMs, isCancelled, scope } of this.#timers.data) {
      if (scope.isScheduled && !isCancelled && !scope.isEnded) dues.push(this.#offsetMs + dueMs)
    }
    return dues.length === 0 ? undefined : Math.min(...dues)
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

  /**
   * A view for one engine: what it set can be ended all at once. Its timers count as scheduled when that is asked for; by
   * default they are the engine's own affair.
   */
  scope(isScheduled = false): ClockScope {
    return new ClockScope(this, isScheduled)
  }

  /** Runs work that time waits for. */
  async hold<T>(work: () => T | Promise<T>, patienceMs = this.#options.patienceMs): Promise<T> {
    const hold = { sinceMs: realTime.nowMs(), patienceMs, sleepCount: 0 }
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
    // Rounded up, so that time stays whole: what is due is due, and not a fraction later.
    const dueMs = this.#monotonicMs + Math.ceil(Math.max(0, delayMs))
    // In the context of who set it, as timers of Node.js are, and not of who moves time.
    const context = new OwnContext()
    const run = (): void => context.run(callback)
    const timer = { dueMs, order: this.#nextOrder(), callback: run, scope, isCancelled: false }
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

  #sleepUntil(dueMs: number): Promise<void> {
    const removeAgenda = this.addAgenda(() => this.#offsetMs + dueMs)
    this.#activity += 1
    const setTimer = (wake: () => void): Timer => this.#own.setTimer(dueMs - this.#monotonicMs, wake)
    return this.#sleepers.sleep(this.#holds, setTimer, removeAgenda)
  }

  /** Waits for whoever moves time now. */
  async #moveInTurn<T>(work: () => Promise<T>): Promise<T> {
    while (this.#isMoving) await this.#moving
    return this.#move(work)
  }

  async #move<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isMoving)
      throw invalidParameter(
        'The clock is being moved already; await one move before the next, outside listeners.',
      )
    this.#isMoving = true
    const done = (): void => {
      this.#isMoving = false
    }
    // Also what the work throws at once ends the move.
    const moving = Promise.resolve().then(work)
    this.#moving = moving.then(done, done)
    return moving
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
    this.#fire(next)
    await this.#rest()
  }

  /** What is due already happens too. */
  async #rest(): Promise<void> {
    await this.#comeToRest()
    for (
      let next = this.#next();
      next !== undefined && next.dueMs <= this.#monotonicMs;
      next = this.#next()
    ) {
      this.#fire(next)
      await this.#comeToRest()
    }
  }

  #fire(next: VirtualTimer): void {
    this.#timers.pop()
    this.#moveTo(next.dueMs)
    this.#countTurn()
    next.callback()
  }

  async #comeToRest(): Promise<void> {
    let startedMs: number | undefined
    for (let idleTurns = 0, busyTurns = 0; ; ) {
      const before = this.#activity
      await (idleTurns > BUSY_TURNS ? realTime.sleep(1) : realTime.turn())
      if (before !== this.#activity || this.#deferredCount > 0) {
        idleTurns = 0
        this.#countTurn()
        busyTurns += 1
        // Asking for the processor time costs as much as a quiet turn.
        if (busyTurns % TURNS_PER_LOOK === 0) startedMs = this.#checkWork(startedMs)
      } else if (this.#isHeld()) {
        idleTurns += 1
        busyTurns = 0
        startedMs = undefined
      } else {
        return
      }
    }
  }

  #isHeld(): boolean {
    if (this.#holds.size === 0) return false
    const nowMs = realTime.nowMs()
    return [...this.#holds].some(
      ({ sinceMs, patienceMs, sleepCount }) => sleepCount === 0 && nowMs - sinceMs < patienceMs,
    )
  }

  /** Answers since when there was no pause. */
  #checkWork(startedMs = realTime.processorMs()): number {
    const { runawayMs = Number.POSITIVE_INFINITY } = this.#options
    if (realTime.processorMs() - startedMs > runawayMs) throw this.#runawayAtInstant()
    return startedMs
  }

  #countTurn(): void {
    this.#turnsAtInstant += 1
    if (this.#turnsAtInstant <= this.#options.runawayLimit) return
    this.#turnsAtInstant = 0
    throw this.#runawayAtInstant()
  }

  #runawayAtInstant(): MQError {
    const since = new Date(this.now()).toISOString()
    return this.#runaway(
      `Since ${since} things keep happening without time moving. Does a listener send to the topic that it consumes?`,
    )
  }

  #runaway(what: string): MQError {
    const { runawayLimit, runawayMs } = this.#options
    const bounds = `${runawayLimit} turns${runawayMs === undefined ? '' : ` or ${runawayMs} ms of work`}`
    const advice = 'raise runawayLimit or runawayMs if that much is meant.'
    return new MQError('CLOCK_RUNAWAY', `${what} Given up after ${bounds}; ${advice}`)
  }

  #moveTo(monotonicMs: number): void {
    if (monotonicMs === this.#monotonicMs) return
    this.#monotonicMs = monotonicMs
    this.#turnsAtInstant = 0
  }
}

function compareTimers(a: VirtualTimer, b: VirtualTimer): number {
  return a.dueMs - b.dueMs || a.order - b.order
}
