/** A medium on the real disk that virtual time waits for: while a call is under way, time does not move. */
import type { Medium } from '../../store/medium.ts'

/** Runs work that time waits for. */
type Hold = <T>(work: () => Promise<T>) => Promise<T>

export function heldMedium(medium: Medium, hold: Hold): Medium {
  return held(medium, hold)
}

/** An object whose calls are held, as are those of the objects that it gives out. */
function held<Target extends object>(target: Target, hold: Hold): Target {
  const members = new Map<string | symbol, unknown>()
  return new Proxy(target, {
    get: (_, name) => {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return heldResult(member, hold)
      if (!members.has(name)) members.set(name, heldCall(target, member as Call, hold))
      return members.get(name)
    },
  })
}

type Call = (...parameters: unknown[]) => unknown

function heldCall(target: object, call: Call, hold: Hold): Call {
  return (...parameters) => {
    const result = Reflect.apply(call, target, parameters)
    if (!(result instanceof Promise)) return heldResult(result, hold)
    return hold(() => result).then((value) => heldResult(value, hold))
  }
}

/** Databases, files and iterators are held too; keys, values and other data are not. */
function heldResult(value: unknown, hold: Hold): unknown {
  const isPart =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  return isPart ? held(value, hold) : value
}
