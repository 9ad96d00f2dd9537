/**
 * Runs the conformance suite over an engine: every rule with an instance of its own, opened by a factory. With a test
 * framework each rule is a test; without one the outcome is a report.
 */
import { KeepAlive } from '../../keep-alive.ts'
import { MQError } from '../../model/errors.ts'
import { systemClock } from '../../model/system-clock.ts'
import { conformanceChapters } from './chapters.ts'
import { type OpenConformanceEngine, offersOf } from './engine-under-test.ts'
import { type ConformanceReport, ReportBuilder } from './report.ts'
import type { ConformanceChapter, ConformanceNeed, ConformanceRule } from './rule.ts'
import { ConformanceWorld } from './world.ts'

/** How to run the suite. */
export interface ConformanceOptions {
  /** Which chapters. Default: all, `conformanceChapters`. */
  readonly chapters?: readonly ConformanceChapter[] | undefined
  /** Real milliseconds to wait for something that a rule says must happen. Default 2000. */
  readonly patienceMs?: number | undefined
  /** Real milliseconds after which a rule has failed, whatever it waits for. Default 30,000. */
  readonly ruleTimeoutMs?: number | undefined
}

/** Defines a test, as `test` of Vitest, Jest and `node:test` does. */
type DefineTest = (title: string, body: () => Promise<void>) => unknown

/** What of a test framework is used. */
export interface ConformanceFramework {
  describe(title: string, body: () => void): unknown
  /** Without `skip`, rules that must be skipped are left out. */
  readonly test: DefineTest & { readonly skip?: DefineTest }
}

const DEFAULT_PATIENCE_MS = 2000
const DEFAULT_RULE_TIMEOUT_MS = 30_000

/**
 * Runs the suite over the engines that `openEngine` opens, rule by rule. A rule that fails does not end the run. Rejects
 * only when no engine can be opened to begin with.
 *
 * @example
 * ```ts
 * import { embeddedEngine, formatReport, runConformance } from 'pocketmq/testing'
 * const report = await runConformance(embeddedEngine({ store: 'memory-disk' }))
 * console.log(formatReport(report))
 * ```
 */
export async function runConformance(
  openEngine: OpenConformanceEngine,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const { chapters = conformanceChapters } = options
  const offers = await probe(openEngine)
  const report = new ReportBuilder(chapters)
  for (const chapter of chapters) {
    for (const rule of chapter.rules) {
      if (isSkipped(rule, offers)) report.skip(chapter)
      else await check(rule, openEngine, options).then(...report.outcomesOf(chapter, rule))
    }
  }
  return report
}

/**
 * Defines a test for every rule. Await it before the file ends: it opens an engine, to find out what can be tested. The
 * report fills while the tests run.
 *
 * @example
 * ```ts
 * import { describe, test } from 'vitest'
 * import { describeConformance, embeddedEngine } from 'pocketmq/testing'
 * await describeConformance({ describe, test }, embeddedEngine())
 * ```
 */
export async function describeConformance(
  { describe, test }: ConformanceFramework,
  openEngine: OpenConformanceEngine,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const { chapters = conformanceChapters } = options
  const offers = await probe(openEngine)
  const report = new ReportBuilder(chapters)
  for (const chapter of chapters) {
    describe(chapter.title, () => {
      for (const rule of chapter.rules) {
        const run = (): Promise<void> => runAndReport(report, chapter, rule, openEngine, options)
        if (!isSkipped(rule, offers)) test(testTitle(rule), run)
        else {
          report.skip(chapter)
          test.skip?.(testTitle(rule), run)
        }
      }
    })
  }
  return report
}

async function probe(openEngine: OpenConformanceEngine): Promise<ReadonlySet<ConformanceNeed>> {
  const opened = await openEngine({})
  try {
    return offersOf(opened)
  } finally {
    await opened.close()
  }
}

function isSkipped(rule: ConformanceRule, offers: ReadonlySet<ConformanceNeed>): boolean {
  return rule.needs.some((need) => !offers.has(need))
}

async function runAndReport(
  report: ReportBuilder,
  chapter: ConformanceChapter,
  rule: ConformanceRule,
  openEngine: OpenConformanceEngine,
  options: ConformanceOptions,
): Promise<void> {
  const [passed, failed] = report.outcomesOf(chapter, rule)
  try {
    await check(rule, openEngine, options)
  } catch (error) {
    failed(error)
    throw error
  }
  passed()
}

/** Rules that wait keep the process running: timers of an engine do not. */
const keepAlive = new KeepAlive(true)

/** Runs one rule, and closes what it opened. */
async function check(
  rule: ConformanceRule,
  openEngine: OpenConformanceEngine,
  options: ConformanceOptions,
): Promise<void> {
  const { patienceMs = DEFAULT_PATIENCE_MS, ruleTimeoutMs = DEFAULT_RULE_TIMEOUT_MS } = options
  const world = new ConformanceWorld(openEngine, patienceMs)
  try {
    await within(ruleTimeoutMs, rule.run(world))
  } catch (error) {
    // The first failure is the one to tell.
    await within(ruleTimeoutMs, world.end()).catch(() => undefined)
    throw error
  }
  await within(ruleTimeoutMs, world.end())
}

async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = promiseToReject()
  const timer = systemClock.setTimer(limitMs, () =>
    reject(new MQError('SYSTEM_ERROR', `The rule did not end within ${limitMs} ms.`)),
  )
  keepAlive.hold(timer)
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.cancel()
    keepAlive.release(timer)
  }
}

function promiseToReject(): { readonly promise: Promise<never>; readonly reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<never>((_, rejectIt) => {
    reject = rejectIt
  })
  return { promise, reject }
}

function testTitle({ title, section, differs }: ConformanceRule): string {
  return `${title} (${section}${differs ? ', differs' : ''})`
}
