/** What the conformance suite is made of: chapters of rules, each a sentence about what every engine does. */
import type { EngineSupports } from '../../model/engine.ts'
import type { ConformanceWorld } from './world.ts'

/**
 * What a rule cannot do without: a part that `Engine.supports` names, or something that the engine under test lets the
 * suite do: move its time (`virtualTime`), set its wall clock (`clockJump`), open it again (`reopen`), kill it (`crash`).
 */
export type ConformanceNeed = keyof EngineSupports | 'virtualTime' | 'clockJump' | 'reopen' | 'crash'

/** One sentence of the specification, and how to find out whether it holds. */
export interface ConformanceRule {
  /** The sentence. */
  readonly title: string
  /** The section of the semantics that it comes from, such as `9.1`. */
  readonly section: string
  /** Without these the rule is skipped. */
  readonly needs: readonly ConformanceNeed[]
  /** It says what PocketMQ does on purpose and RocketMQ does not; `docs/semantics.md` has the reason. */
  readonly differs: boolean
  /** Resolves when the sentence holds, rejects with what is wrong otherwise. */
  run(world: ConformanceWorld): Promise<void>
}

/** Rules about one subject. */
export interface ConformanceChapter {
  readonly title: string
  readonly rules: readonly ConformanceRule[]
}

interface RuleTraits {
  readonly needs?: readonly ConformanceNeed[]
  readonly differs?: boolean
}

type Run = ConformanceRule['run']

/** Writes a rule down. */
export function rule(section: string, title: string, run: Run): ConformanceRule
export function rule(section: string, title: string, traits: RuleTraits, run: Run): ConformanceRule
export function rule(section: string, title: string, second: RuleTraits | Run, third?: Run): ConformanceRule {
  const [traits, run] = typeof second === 'function' ? [{}, second] : [second, third!]
  return Object.freeze({ title, section, needs: traits.needs ?? [], differs: traits.differs ?? false, run })
}
