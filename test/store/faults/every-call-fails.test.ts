/**
 * Every call of a store to its medium fails once: the first, the second, and so on, until a run meets no fault. Whatever
 * fails, what was acknowledged is there after the next opening, what was refused as not attempted is not, nothing is there
 * in part, and `close` settles; where a call hangs, as soon as it goes on.
 */
import { expect, test } from 'vitest'
import { emptyStart, killedStart, type Manner, runWithFault, type Start } from './fault-run.ts'
import { SCENARIOS } from './scenarios.ts'

const MANNERS: readonly Manner[] = ['fails-before', 'fails-after', 'fails-from-here', 'hangs']
const TIMEOUT_MS = 300_000

async function failEachCall(
  name: keyof typeof SCENARIOS,
  flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH',
  manner: Manner,
  start: Start,
): Promise<void> {
  const failures: string[] = []
  const kinds = new Set<string>()
  for (let number = 1; ; number++) {
    try {
      const kind = await runWithFault({ scenario: SCENARIOS[name], flushDiskType, manner, number, start })
      if (kind === undefined) break
      kinds.add(kind)
    } catch (error) {
      failures.push(String(error))
    }
  }
  expect(failures.slice(0, 5), `${failures.length} calls`).toEqual([])
  expect(kinds.size).toBeGreaterThan(10)
}

for (const flushDiskType of ['ASYNC_FLUSH', 'SYNC_FLUSH'] as const) {
  for (const manner of MANNERS) {
    for (const scenario of ['work', 'retention'] as const) {
      test(
        `${flushDiskType}, ${scenario}: a call ${manner}`,
        async () => {
          await failEachCall(scenario, flushDiskType, manner, emptyStart())
        },
        TIMEOUT_MS,
      )
    }

    test(
      `${flushDiskType}, recovery: a call ${manner}`,
      async () => {
        await failEachCall('visit', flushDiskType, manner, await killedStart(SCENARIOS.work))
      },
      TIMEOUT_MS,
    )
  }
}
