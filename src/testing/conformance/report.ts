/** What a run of the conformance suite found, by chapter. */
import { MQError } from '../../model/errors.ts'
import type { ConformanceChapter, ConformanceRule } from './rule.ts'

/** A rule that does not hold. */
export interface ConformanceFailure {
  readonly rule: ConformanceRule
  /** What is wrong. */
  readonly error: unknown
}

/** The outcome of one chapter. */
export interface ChapterReport {
  readonly title: string
  readonly passedCount: number
  readonly failedCount: number
  /** Rules that need something that the engine does not offer. */
  readonly skippedCount: number
  readonly failures: readonly ConformanceFailure[]
}

/** The outcome of a run. */
export interface ConformanceReport {
  readonly chapters: readonly ChapterReport[]
}

type Counts = Pick<ChapterReport, 'passedCount' | 'failedCount' | 'skippedCount'>

/** A {@link ChapterReport} that is being written. */
interface ChapterInProgress {
  readonly title: string
  readonly failures: ConformanceFailure[]
  passedCount: number
  failedCount: number
  skippedCount: number
}

/** A report that is being written. */
export class ReportBuilder implements ConformanceReport {
  readonly #chapters: ReadonlyMap<ConformanceChapter, ChapterInProgress>

  constructor(chapters: readonly ConformanceChapter[]) {
    const counts = { passedCount: 0, failedCount: 0, skippedCount: 0 }
    this.#chapters = new Map(
      chapters.map((chapter) => [chapter, { title: chapter.title, failures: [], ...counts }]),
    )
  }

  get chapters(): readonly ChapterReport[] {
    return [...this.#chapters.values()]
  }

  skip(chapter: ConformanceChapter): void {
    this.#of(chapter).skippedCount += 1
  }

  /** What to call when the rule holds, and when it does not. */
  outcomesOf(
    chapter: ConformanceChapter,
    rule: ConformanceRule,
  ): readonly [passed: () => void, failed: (error: unknown) => void] {
    const counts = this.#of(chapter)
    const pass = (): void => {
      counts.passedCount += 1
    }
    const fail = (error: unknown): void => {
      counts.failedCount += 1
      counts.failures.push({ rule, error })
    }
    return [pass, fail]
  }

  #of(chapter: ConformanceChapter): ChapterInProgress {
    return this.#chapters.get(chapter)!
  }
}

/** The report as lines of text: chapters with their counts, and below each the rules that do not hold. */
export function formatReport({ chapters }: ConformanceReport): string {
  const longest = Math.max(0, ...chapters.map(({ title }) => title.length))
  const lines = chapters.flatMap((chapter) => [
    `${chapter.title.padEnd(longest)}  ${countsInWords(chapter)}`,
    ...chapter.failures.map(inWords),
  ])
  return [...lines, `${'All'.padEnd(longest)}  ${countsInWords(sum(chapters))}`].join('\n')
}

function countsInWords({ passedCount, failedCount, skippedCount }: Counts): string {
  const words = [
    `${String(passedCount).padStart(3)} passed`,
    ...(failedCount > 0 ? [`${failedCount} FAILED`] : []),
    ...(skippedCount > 0 ? [`${skippedCount} skipped`] : []),
  ]
  return words.join(', ')
}

function inWords({ rule, error }: ConformanceFailure): string {
  return `  ${rule.section} ${rule.title}: ${MQError.from(error).message.replaceAll('\n', '\n    ')}`
}

function sum(chapters: readonly ChapterReport[]): Counts {
  const total = (pick: (chapter: ChapterReport) => number): number =>
    chapters.reduce((count, chapter) => count + pick(chapter), 0)
  return {
    passedCount: total(({ passedCount }) => passedCount),
    failedCount: total(({ failedCount }) => failedCount),
    skippedCount: total(({ skippedCount }) => skippedCount),
  }
}
