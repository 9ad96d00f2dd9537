/** Plants a bug and runs seed after seed until its checker notices. */
import { realTime } from '../../../src/model/system-clock.ts'
import type { Violation } from '../history.ts'
import { profileOf } from '../model/profile.ts'
import { simulate } from '../simulate.ts'
import type { Bug } from './bug.ts'
import { DEDUPLICATION_BUGS } from './deduplication-bugs.ts'
import { DELAY_BUGS } from './delay-bugs.ts'
import { DELIVERY_BUGS } from './delivery-bugs.ts'
import { JOURNAL_BUGS } from './journal-bugs.ts'
import { MEMBER_BUGS } from './member-bugs.ts'
import { ORDER_BUGS } from './order-bugs.ts'
import { POP_BUGS } from './pop-bugs.ts'
import { REQUEST_BUGS } from './request-bugs.ts'
import { RETRY_BUGS } from './retry-bugs.ts'
import { STORE_BUGS } from './store-bugs.ts'
import { TRANSACTION_BUGS } from './transaction-bugs.ts'

export const BUGS: readonly Bug[] = [
  ...JOURNAL_BUGS,
  ...STORE_BUGS,
  ...DELIVERY_BUGS,
  ...RETRY_BUGS,
  ...ORDER_BUGS,
  ...POP_BUGS,
  ...MEMBER_BUGS,
  ...TRANSACTION_BUGS,
  ...REQUEST_BUGS,
  ...DELAY_BUGS,
  ...DEDUPLICATION_BUGS,
]

/** Where the search for seeds that a bug needs ends. */
const FURTHEST_SEED = 10_000

export interface Catch {
  readonly bug: Bug
  /** What its checker said first; `undefined` when it never did. */
  readonly violation: Violation | undefined
  /** Seeds that were run. */
  readonly seedCount: number
  readonly realMs: number
  /** Other checkers that noticed something on the way. */
  readonly others: readonly string[]
}

export async function catchBug(bug: Bug, fromSeed = 1): Promise<Catch> {
  const startedMs = realTime.nowMs()
  const others = new Set<string>()
  const isOwn = ({ checker }: Violation): boolean => checker === bug.checker
  let seedCount = 0
  for (let seed = fromSeed; seedCount < bug.withinSeeds && seed < fromSeed + FURTHEST_SEED; seed++) {
    if (bug.needs?.(profileOf(seed)) === false) continue
    seedCount += 1
    const violations = await runWith(bug, seed)
    for (const { checker } of violations) if (checker !== bug.checker) others.add(checker)
    const violation = violations.find(isOwn)
    if (violation !== undefined)
      return { bug, violation, seedCount, realMs: realTime.nowMs() - startedMs, others: [...others] }
  }
  const realMs = realTime.nowMs() - startedMs
  return { bug, violation: undefined, seedCount, realMs, others: [...others] }
}

async function runWith(bug: Bug, seed: number): Promise<readonly Violation[]> {
  const cure = bug.plant()
  try {
    const isEnough = (violations: readonly Violation[]): boolean =>
      violations.some(({ checker }) => checker === bug.checker)
    return (await simulate({ seed, isEnough })).violations
  } finally {
    cure()
  }
}
