/**
 * One life of an engine, from its opening to its close or its crash. A crash cannot stop code that runs, but it can cut it
 * off: verbs of a crashed life reject, and what its listeners answer reaches nobody.
 */
import type { Engine, EngineEvent } from '../model/engine.ts'
import { MQError, type WriteOutcome } from '../model/errors.ts'
import type { ReplyTaker } from '../model/request-verbs.ts'
import type { TransactionCheck } from '../model/transaction-verbs.ts'
import type { CallListener, ListenerCall } from './layer.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A call of a listener that has not settled. */
export interface RunningCall extends ListenerCall {
  /** When it began, on the virtual clock. */
  readonly startedTimestamp: number
  /** The same moment in monotonic time, which a jump of the wall time leaves alone. */
  readonly startedMs: number
}

/** What `pendingCount` calls a check of a transaction that has not been answered. */
export const TRANSACTION_CHECK = 'transactionCheck'

export class Life {
  /** Calls of listeners that have not settled. */
  readonly calls = new Set<RunningCall>()
  readonly #clock: VirtualClock
  /** Verbs under way: how often each. */
  readonly #pending = new Map<(error: MQError) => void, string>()
  /** Who waits for replies, which is no verb. */
  readonly #takers = new Set<ReplyTaker>()
  /** Clients that want to hear what happens. */
  readonly #watches = new Set<{ readonly listener: (event: EngineEvent) => void }>()
  #isEnded = false

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** How many calls of a verb have not been answered. */
  pendingCount(verb: string): number {
    return [...this.#pending.values()].filter((name) => name === verb).length
  }

  /** Stands around the application's listener. */
  listener(next: CallListener): CallListener {
    return (call) => this.#call(next, call)
  }

  /** Lets no call through once this life has ended. Stands before what delays calls. */
  gateCalls(next: CallListener): CallListener {
    return (call) => (this.#isEnded ? never() : next(call))
  }

  /** The engine for as long as this life lasts: then what is under way is refused too. Stands around what delays calls. */
  guard(engine: Engine): Engine {
    return this.#guard(engine, true)
  }

  /** The engine, which takes nothing new when this life has ended. Stands behind what delays calls. */
  gate(engine: Engine): Engine {
    return this.#guard(engine, false)
  }

  /** What a promise answers if this life lasts so long; `CLOSED` otherwise. */
  untilEnd<T>(verb: string, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const refuse = (error: MQError): void => reject(error)
      // The call itself may be what this life died of.
      if (this.#isEnded) refuse(crashed('unknown'))
      else this.#pending.set(refuse, verb)
      promise.then(resolve, reject).finally(() => this.#pending.delete(refuse))
    })
  }

  /** The process is dead: what is under way is refused, and nothing new is taken. */
  end(): void {
    this.#isEnded = true
    for (const reject of this.#pending.keys()) reject(crashed('unknown'))
    this.#pending.clear()
    for (const taker of this.#takers) taker.end(crashed('unknown'))
    this.#takers.clear()
    this.calls.clear()
    // Who waits for no verb would wait for ever: for a queue of its own, for example.
    for (const { listener } of this.#watches) listener({ type: 'closed', error: crashed('not-attempted') })
    this.#watches.clear()
  }

  async #call(next: CallListener, call: ListenerCall) {
    const running = { ...call, startedTimestamp: this.#clock.now(), startedMs: this.#clock.monotonicMs() }
    this.calls.add(running)
    try {
      const answer = await this.#clock.hold(() => this.untilEnd('listener', next(call)))
      return await this.#unlessEnded(answer)
    } catch (caught) {
      await this.#unlessEnded(undefined)
      throw caught
    } finally {
      this.calls.delete(running)
    }
  }

  /** A check of a transaction is a call of the application, as that of a listener is. */
  #check(check: TransactionCheck): TransactionCheck {
    return async (message, transactionId) => {
      if (this.#isEnded) return never()
      return this.#clock.hold(() => this.untilEnd(TRANSACTION_CHECK, check(message, transactionId)))
    }
  }

  #unlessEnded<T>(value: T): T | Promise<never> {
    return this.#isEnded ? never() : value
  }

  /** Tells a listener of this life's end too, until it listens no more. */
  #watched(listener: unknown, unwatch: unknown): () => void {
    const watch = { listener: listener as (event: EngineEvent) => void }
    this.#watches.add(watch)
    return () => {
      this.#watches.delete(watch)
      Reflect.apply(unwatch as () => void, undefined, [])
    }
  }

  #guard<Target extends object>(target: Target, refusesPending: boolean): Target {
    const guarded = new Map<string | symbol, unknown>()
    return new Proxy(target, {
      get: (_, name) => {
        if (!guarded.has(name)) guarded.set(name, this.#guardMember(target, name, refusesPending))
        return guarded.get(name)
      },
    })
  }

  #guardMember(target: object, name: string | symbol, refusesPending: boolean): unknown {
    const member: unknown = Reflect.get(target, name, target)
    if (PARTS.has(name))
      return member === undefined ? undefined : this.#guard(member as object, refusesPending)
    if (typeof member !== 'function') return member
    return (...parameters: unknown[]) => {
      // These answer no promise; there is nothing to hear from the dead.
      if (this.#isEnded && LISTENING.has(name)) return () => undefined
      if (name === 'takeReplies' && refusesPending) this.#takers.add(parameters[1] as ReplyTaker)
      if (name === 'answerChecks' && refusesPending)
        parameters[2] = this.#check(parameters[2] as TransactionCheck)
      if (this.#isEnded) return Promise.reject(crashed('not-attempted'))
      const result: unknown = Reflect.apply(member, target, parameters)
      if (refusesPending && name === 'watch') return this.#watched(parameters[0], result)
      return refusesPending && result instanceof Promise ? this.untilEnd(String(name), result) : result
    }
  }
}

/** The optional parts of an engine, which hold verbs themselves. */
const PARTS: ReadonlySet<string | symbol> = new Set(['pop', 'transactions', 'delay', 'requests', 'traces'])
/** Verbs by which clients are told something until they do not want to be. */
const LISTENING: ReadonlySet<string | symbol> = new Set(['watch', 'answerChecks', 'takeReplies'])

/** What is promised to somebody who is dead by then. */
function never(): Promise<never> {
  return new Promise(() => undefined)
}

function crashed(outcome: WriteOutcome): MQError {
  return new MQError('CLOSED', 'The instance crashed; go on with the one that crash() answered.', { outcome })
}
