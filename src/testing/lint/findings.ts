/** What the linter found, once per subject, and how it is told. */
import type { Logger } from '../../model/logger.ts'
import type { Found, LintRule, LintSeverity } from './rule.ts'
import type { LintCode } from './rules.ts'

/** Something that breaks, or may break, on a RocketMQ cluster. */
export interface LintFinding {
  /** The rule that found it. */
  readonly code: LintCode
  readonly severity: LintSeverity
  /** What was found. */
  readonly message: string
  /** What to do about it. */
  readonly advice: string
  /** What it is about, as far as it is about one. */
  readonly group?: string | undefined
  readonly topic?: string | undefined
  readonly messageId?: string | undefined
  /** How often it was found. */
  readonly count: number
  /** When it was found first, in milliseconds since 1970 on the virtual clock. */
  readonly firstTimestamp: number
  /** The application was told by an error, since what it was about to do was refused. */
  readonly isRefused: boolean
}

export interface FindingsHost {
  readonly logger: Logger
  /** Wall time on the virtual clock. */
  now(): number
}

export class Findings {
  readonly #host: FindingsHost
  readonly #bySubject = new Map<string, LintFinding & { readonly rule: LintRule }>()

  constructor(host: FindingsHost) {
    this.#host = host
  }

  /** All of them, in the order in which they were found first. */
  get all(): readonly LintFinding[] {
    return [...this.#bySubject.values()].map(({ rule, ...finding }) => finding)
  }

  /** Takes a finding in; the logger hears of it the first time, unless the application does. */
  add(rule: LintRule<LintCode>, { subject, message, ...about }: Found, isRefused: boolean): void {
    const { code, severity, advice } = rule
    const key = `${code} ${subject}`
    const known = this.#bySubject.get(key)
    if (known !== undefined) {
      this.#bySubject.set(key, { ...known, count: known.count + 1 })
      return
    }
    const firstTimestamp = this.#host.now()
    this.#bySubject.set(key, {
      rule,
      code,
      severity,
      message,
      advice,
      ...about,
      count: 1,
      firstTimestamp,
      isRefused,
    })
    if (isRefused) return
    const text = `${code}: ${message} ${advice}`
    if (severity === 'note') this.#host.logger.info(text)
    else this.#host.logger.warn(text)
  }

  /** Those that pass a test, in words, grouped by rule in the order of the rules. */
  text(rules: readonly LintRule[], isWanted: (finding: LintFinding) => boolean): string {
    const wanted = [...this.#bySubject.values()].filter(isWanted)
    return rules
      .flatMap((rule) =>
        sectionOf(
          rule,
          wanted.filter((finding) => finding.rule === rule),
        ),
      )
      .join('\n')
  }
}

function sectionOf(rule: LintRule, findings: readonly LintFinding[]): string[] {
  if (findings.length === 0) return []
  const { code, severity, title, explanation, advice, reference } = rule
  return [
    `${code} (${severity}): ${title}`,
    ...findings.map(
      ({ message, count, isRefused }) => `  - ${message}${timesText(count)}${isRefused ? ' Refused.' : ''}`,
    ),
    `  Why: ${explanation}`,
    `  What to do: ${advice}`,
    `  See: ${reference}`,
  ]
}

function timesText(count: number): string {
  return count === 1 ? '' : ` (${count} times)`
}
