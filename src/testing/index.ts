/** The door `pocketmq/testing`: every name that it promises, one by one. */
export type { Engine } from '../model/engine.ts'
export type { DeadLetterOptions, MemberOptions, TimesOptions } from './assertions/claims.ts'
export type { SendOutcome } from './assertions/message-life.ts'
export type { MessageMatcher, SendMatcher } from './assertions/message-matcher.ts'
export type { TextMatch } from './assertions/value-match.ts'
export { conformanceChapters } from './conformance/chapters.ts'
export {
  type ConformanceFramework,
  type ConformanceOptions,
  describeConformance,
  runConformance,
} from './conformance/conformance.ts'
export { type EmbeddedEngineOptions, embeddedEngine } from './conformance/embedded-engine.ts'
export type {
  ConformanceEngine,
  ConformanceSettings,
  OpenConformanceEngine,
} from './conformance/engine-under-test.ts'
export {
  type ChapterReport,
  type ConformanceFailure,
  type ConformanceReport,
  formatReport,
} from './conformance/report.ts'
export {
  type ConformanceChapter,
  type ConformanceNeed,
  type ConformanceRule,
  rule,
} from './conformance/rule.ts'
export type { ConformanceWorld } from './conformance/world.ts'
export type { Duration } from './duration.ts'
export type { EngineVerb } from './engine-verbs.ts'
export { expectMQ, type MessageExpectation, type MQExpectation } from './expect-mq.ts'
export type { ExplainedCopy, Explanation, ExplanationVerdict } from './explain/explanation.ts'
export type { Gate, GateName, GateVerdict } from './explain/gate.ts'
export { type ExploreOptions, explore } from './explore.ts'
export type {
  CrashFault,
  CrashOptions,
  CrashPoint,
  DelayOptions,
  FailOptions,
  FullDiskOptions,
  SlowDiskOptions,
  WeakSendStatus,
} from './fault/options.ts'
export type { Fault, FaultRule } from './fault/rule.ts'
export type { Faults } from './faults.ts'
export type { Ledger, LedgerEntry, LedgerEntryOf, LedgerEventType, SentContent } from './ledger.ts'
export type { LintFinding } from './lint/findings.ts'
export type { LintSeverity } from './lint/rule.ts'
export type { LintCode } from './lint/rules.ts'
export type { LintReport } from './linter.ts'
export {
  type CountMatcher,
  type DeadLetterMatcher,
  type MemberMatcher,
  type MQMatchers,
  mqMatchers,
} from './matchers.ts'
export type { SettledOptions } from './settled.ts'
export { type EventSnapshot, type MessageSnapshot, snapshotOf } from './snapshot.ts'
export { createTestMQ, type TestClock, type TestMQ } from './test-mq.ts'
export type { TestMQOptions } from './test-options.ts'
