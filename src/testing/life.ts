/**
 * One life of an engine, from its opening to its close or its crash. A crash cannot stop code that runs, but it can cut it
 * off: verbs of a crashed life reject, and what its listeners answer reaches nobody.
 */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { CallListener, ListenerCall, TestLayer } from './layer.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A call of a listener that has not settled. */
export interface RunningCall extends ListenerCall {
  /** When it began, on the virtual clock. */
  readonly startedTimestamp: number
}

export class Life {
  /** Calls of listeners that have not settled. */
  readonly calls = new Set<RunningCall>()
  readonly #clock: VirtualClock
  /** Verbs under way: how often each. */
  readonly #pending = new Map<(error: MQError) => void, string>()
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

  /** The innermost layer. */
  layer(): TestLayer {
    return {
      listener: (next) => (call) => this.#call(next, call),
    }
  }

  /** The engine for as long as this life lasts. */
  guard(engine: Engine): Engine {
    return this.#guard(engine)
  }

  /** The process is dead: what is under way is refused, and nothing new is taken. */
  end(): void {
    this.#isEnded = true
    for (const reject of this.#pending.keys()) reject(crashed())
    this.#pending.clear()
    this.calls.clear()
  }

  async #call(next: CallListener, call: ListenerCall) {
    const running = { ...call, startedTimestamp: this.#clock.now() }
    this.calls.add(running)
    try {
      const answer = await this.#clock.hold(() => next(call))
      return await this.#unlessEnded(answer)
    } catch (caught) {
      await this.#unlessEnded(undefined)
      throw caught
    } finally {
      this.calls.delete(running)
    }
  }

  #unlessEnded<T>(value: T): T | Promise<never> {
    return this.#isEnded ? new Promise<never>(() => undefined) : value
  }

  #guard<Target extends object>(target: Target): Target {
    const guarded = new Map<string | symbol, unknown>()
    return new Proxy(target, {
      get: (_, name) => {
        if (!guarded.has(name)) guarded.set(name, this.#guardMember(target, name))
        return guarded.get(name)
      },
    })
  }

  #guardMember(target: object, name: string | symbol): unknown {
    const member: unknown = Reflect.get(target, name, target)
    // The optional parts hold verbs themselves.
    if (name === 'pop' || name === 'transactions' || name === 'delay')
      return member === undefined ? undefined : this.#guard(member as object)
    if (typeof member !== 'function') return member
    return (...parameters: unknown[]) => {
      if (this.#isEnded) return Promise.reject(crashed())
      const result: unknown = Reflect.apply(member, target, parameters)
      return result instanceof Promise ? this.#untilEnd(String(name), result) : result
    }
  }

  #untilEnd<T>(verb: string, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const refuse = (error: MQError): void => reject(error)
      this.#pending.set(refuse, verb)
      promise.then(resolve, reject).finally(() => this.#pending.delete(refuse))
    })
  }
}

function crashed(): MQError {
  return new MQError('CLOSED', 'The instance crashed; go on with the one that crash() answered.', {
    outcome: 'unknown',
  })
}
