/** A PocketMQ over any engine: the clients that applications have, and ways to wait that work with and without virtual time. */
import { AssertionError } from 'node:assert'
import type { CloseReport, PushConsumer } from '../../consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../consumer/push-consumer-options.ts'
import type { Engine } from '../../model/engine.ts'
import { realTime } from '../../model/system-clock.ts'
import { parseOpenOptions } from '../../open-options.ts'
import { PocketMQ } from '../../pocketmq.ts'
import type { Producer } from '../../producer/producer.ts'
import { type Duration, toMs } from '../duration.ts'
import type { ConformanceEngine, ConformanceSettings } from './engine-under-test.ts'

/** In virtual time nothing has to ask again, and not asking lets hours pass quickly. */
const SUSPEND_MS = 86_400_000
/** Real time in which an engine without virtual time must show that something does not happen. */
const QUIET_MS = 100
/** How far virtual time is moved at a time while `close` waits for it. */
const CLOSE_STEP_MS = 1000

export class EngineMQ extends PocketMQ {
  /** What the clients stand on. */
  readonly engine: Engine
  readonly #opened: ConformanceEngine
  readonly #patienceMs: number
  #producer: Promise<Producer> | undefined

  constructor(opened: ConformanceEngine, { closeTimeoutMs, trace }: ConformanceSettings, patienceMs: number) {
    // Of the settings, clients need only these; the others are the engine's.
    super(opened, parseOpenOptions({ storage: 'memory', keepAlive: false, closeTimeoutMs, trace }))
    this.engine = opened.engine
    this.#opened = opened
    this.#patienceMs = patienceMs
  }

  /** The engine's wall time. */
  now(): number {
    return this.engine.clock.now()
  }

  /** Moves time; for rules that need `virtualTime`. */
  async advance(duration: Duration): Promise<void> {
    if (this.#opened.advance === undefined)
      throw new AssertionError({ message: 'Time cannot be moved here.' })
    await this.#opened.advance(toMs(duration))
  }

  /** Sets the wall clock; for rules that need `clockJump`. */
  jump(durationMs: number): void {
    this.#opened.jump?.(durationMs)
  }

  /** Resolves when everything that can happen now has happened. Without virtual time that is a matter of waiting. */
  async rest(): Promise<void> {
    await (this.#opened.advance?.(0) ?? realTime.sleep(QUIET_MS))
  }

  /** Waits for something that must happen without time moving. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    await this.#poll(this.#patienceMs, what, condition)
  }

  /** Waits for something that must happen within a time, and moves time for it where that is possible. */
  async within(limit: Duration, what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    if (this.#opened.advance !== undefined) {
      await this.advance(limit)
      await this.until(what, condition)
    } else {
      await this.#poll(toMs(limit), what, condition)
    }
  }

  /** A producer of the group `shop`, the same at each call. */
  producer(): Promise<Producer> {
    this.#producer ??= this.createProducer({ group: 'shop' })
    return this.#producer
  }

  protected override startPushConsumer(options: PushConsumerOptions): Promise<PushConsumer> {
    if (this.#opened.advance === undefined || options?.suspendMs !== undefined)
      return super.startPushConsumer(options)
    return super.startPushConsumer({ ...options, suspendMs: SUSPEND_MS })
  }

  override close(): Promise<CloseReport> {
    const closing = super.close()
    return this.#opened.advance === undefined ? closing : this.#moveUntil(closing)
  }

  async #poll(limitMs: number, what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = realTime.nowMs() + limitMs
    for (;;) {
      await this.#opened.advance?.(0)
      if (await condition()) return
      if (realTime.nowMs() >= deadlineMs) throw new AssertionError({ message: `It did not happen: ${what}.` })
      await realTime.sleep(1)
    }
  }

  /** Moves time as far as it takes: `close` waits for listeners, and some never settle. */
  async #moveUntil<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const note = (): void => {
      isSettled = true
    }
    promise.then(note, note)
    await this.#opened.advance?.(0)
    while (!isSettled) await this.#opened.advance?.(CLOSE_STEP_MS)
    return promise
  }
}
