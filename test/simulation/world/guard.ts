/** The outermost layer: when the machine has stopped, no verb is taken, and none is answered any more. */
import type { Engine } from '../../../src/model/engine.ts'

/** Verbs that an engine has as a set of their own. */
const VERB_SETS: ReadonlySet<string | symbol> = new Set(['pop', 'delay', 'transactions', 'requests'])

type Call = (...parameters: unknown[]) => unknown

export function guardEngine(engine: Engine, isOver: () => boolean): Engine {
  return guardVerbs(engine, isOver)
}

function guardVerbs<Verbs extends object>(verbs: Verbs, isOver: () => boolean): Verbs {
  const guarded = new Map<string | symbol, unknown>()
  return new Proxy(verbs, {
    get: (target, name) => {
      if (!guarded.has(name)) guarded.set(name, guardMember(target, name, isOver))
      return guarded.get(name)
    },
  })
}

function guardMember(target: object, name: string | symbol, isOver: () => boolean): unknown {
  const member: unknown = Reflect.get(target, name, target)
  if (VERB_SETS.has(name) && typeof member === 'object' && member !== null) return guardVerbs(member, isOver)
  if (typeof member !== 'function') return member
  return (...parameters: unknown[]) => {
    if (isOver()) return never()
    const result: unknown = Reflect.apply(member as Call, target, parameters)
    return result instanceof Promise ? unlessOver(result, isOver) : result
  }
}

function unlessOver(promise: Promise<unknown>, isOver: () => boolean): Promise<unknown> {
  return promise.then(
    (value) => (isOver() ? never() : value),
    (error: unknown) => {
      if (isOver()) return never()
      throw error
    },
  )
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}
