/**
 * The asynchronous context (`AsyncLocalStorage`, and with it the active span of a tracer) in which something long-lived was made.
 *
 * Loops and timers that begin while somebody calls would run in the context of that call for ever: whoever happened to send first
 * would lend tenant and trace to all that is consumed later, and could never be freed. So they begin in the context of their owner.
 * To enter one costs a fraction of a microsecond: it is entered where a loop begins, not for each message.
 */
import { AsyncResource } from 'node:async_hooks'
import type { Clock } from './clock.ts'

export class OwnContext {
  readonly #resource = new AsyncResource('PocketMQ', { requireManualDestroy: true })

  /** Runs work in the context in which this was made. */
  run<T>(work: () => T): T {
    return this.#resource.runInAsyncScope(work)
  }
}

/** The same clock, whose timers and turns run in the context in which this is called. */
export function clockInOwnContext(clock: Clock): Clock {
  const context = new OwnContext()
  const own: Clock = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, callback) => context.run(() => clock.setTimer(delayMs, callback)),
    defer: (callback) => context.run(() => clock.defer(callback)),
  }
  if (clock.onJump !== undefined) own.onJump = (listener) => clock.onJump!(() => context.run(listener))
  return own
}
