/** What the conformance suite is given: how to open an engine, and what it may do with it besides calling its verbs. */
import type { OpenedEngine } from '../../open.ts'
import type { OpenOptions } from '../../open-options.ts'
import type { ConformanceNeed } from './rule.ts'

/** What a rule may ask of the engine that it opens; what it leaves out is up to the engine, within RocketMQ's defaults. */
export type ConformanceSettings = Pick<
  OpenOptions,
  | 'topics'
  | 'autoCreateTopicEnable'
  | 'defaultTopicQueueNums'
  | 'deadLetterPermission'
  | 'messageDelayLevel'
  | 'timerMaxDelayMs'
  | 'deduplicationWindowMs'
  | 'transactionTimeOutMs'
  | 'transactionCheckIntervalMs'
  | 'transactionCheckMax'
  | 'flushDiskType'
  | 'retention'
  | 'closeTimeoutMs'
  | 'trace'
>

/** An engine that was opened for one rule. */
export interface ConformanceEngine extends OpenedEngine {
  /**
   * Moves the engine's time forward; resolves when all that became due has happened, with all its consequences, and nothing
   * moves any more. Moving by 0 only waits for that. Without it rules about times are skipped.
   */
  advance?(durationMs: number): Promise<void>
  /** Sets the engine's wall clock forward or back, as an administrator would. */
  jump?(durationMs: number): void
  /** Called after `close`: opens another engine on what this one has stored. */
  reopen?(): Promise<ConformanceEngine>
  /**
   * Ends this engine as `kill -9` or a power cut would, and opens another one on what is left. The verbs of the old one
   * reject from then on, and it stores nothing more.
   */
  crash?(how: 'kill' | 'power'): Promise<ConformanceEngine>
}

/** Opens a fresh engine, with nothing stored. Called once for every rule, often more than once at a time. */
export type OpenConformanceEngine = (settings: ConformanceSettings) => Promise<ConformanceEngine>

/** Everything that rules may rely on with this engine. */
export function offersOf(opened: ConformanceEngine): ReadonlySet<ConformanceNeed> {
  const offers: readonly (readonly [ConformanceNeed, boolean])[] = [
    ...(Object.entries(opened.engine.supports) as [ConformanceNeed, boolean][]),
    ['virtualTime', opened.advance !== undefined],
    ['clockJump', opened.jump !== undefined],
    ['reopen', opened.reopen !== undefined],
    ['crash', opened.crash !== undefined],
  ]
  return new Set(offers.filter(([, isOffered]) => isOffered).map(([need]) => need))
}
