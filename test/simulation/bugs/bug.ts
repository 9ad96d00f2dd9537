/** A mistake that is made on purpose, to see that a checker notices it. */
import type { CheckerName } from '../checkers/all.ts'
import type { Profile } from '../model/profile.ts'

export interface Bug {
  readonly name: string
  /** What is wrong, as a sentence about the broken system. */
  readonly story: string
  /** The checker that has to notice, whatever others say. */
  readonly checker: CheckerName
  /** Seeds within which it has to, of those that it needs. */
  readonly withinSeeds: number
  /** Seeds without what it shows in are left out: many have no power cut, or no retry. */
  readonly needs?: (profile: Profile) => boolean
  /** Breaks the running code; the answer mends it. */
  plant(): () => void
}

/** Puts a method in the place of another; the answer puts the original back. */
export function replaceMethod<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  make: (original: Target[Name]) => Target[Name],
): () => void {
  const original = Object.getOwnPropertyDescriptor(target, name)
  if (original === undefined) throw new Error(`There is no ${String(name)} to replace.`)
  const value = make(original.value as Target[Name])
  Object.defineProperty(target, name, { ...original, value })
  return () => Object.defineProperty(target, name, original)
}

/** The same for a getter. */
export function replaceGetter<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  make: (original: (this: Target) => Target[Name]) => (this: Target) => Target[Name],
): () => void {
  const original = Object.getOwnPropertyDescriptor(target, name)
  if (original?.get === undefined) throw new Error(`There is no getter ${String(name)} to replace.`)
  const get = make(original.get as (this: Target) => Target[Name])
  Object.defineProperty(target, name, { ...original, get })
  return () => Object.defineProperty(target, name, original)
}

/** True every so many times. */
export function every(count: number): () => boolean {
  let calls = 0
  return () => {
    calls += 1
    return calls % count === 0
  }
}
