/**
 * Every call of a store to its medium fails once: the first, the second, and so on, until a run meets no fault. Whatever
 * fails, what was acknowledged is there after the next opening, what was refused as not attempted is not, nothing is there
 * in part, and `close` settles; where a call hangs, as soon as it goes on.
 *
 * Filling journal segments takes a second a run: by default one call of each kind fails there. `POCKETMQ_FAULTS=all` lets
 * all of them.
 */
import { describe, expect, test } from 'vitest'
import { callsOf, emptyStart, killedStart, type Manner, runWithFault, type Start } from './fault-run.ts'
import { SCENARIOS } from './scenarios.ts'

const MANNERS: readonly Manner[] = ['fails-before', 'fails-after', 'fails-from-here', 'hangs']
const MODES = ['ASYNC_FLUSH', 'SYNC_FLUSH'] as const
const TIMEOUT_MS = 1_000_000

/** Calls that only a scenario with several segments makes, or that mean something else there. */
const ROTATION_KINDS = ['files.createJournalFile', 'journal.close', 'commitlog.barrier', 'files.remove']

async function failEachCall(
  scenario: keyof typeof SCENARIOS,
  flushDiskType: (typeof MODES)[number],
  manner: Manner,
  start: Start,
  end: 'close' | 'kill' = 'close',
): Promise<void> {
  const failures: string[] = []
  const kinds = new Set<string>()
  for (let number = 1; ; number++) {
    try {
      const options = { scenario: SCENARIOS[scenario], flushDiskType, manner, number, start, end }
      const kind = await runWithFault(options)
      if (kind === undefined) break
      kinds.add(kind)
    } catch (error) {
      failures.push(String(error))
    }
  }
  expect(failures.slice(0, 5), `${failures.length} calls`).toEqual([])
  expect(kinds.size).toBeGreaterThan(12)
}

describe.each(MODES)('%s: a call fails', (flushDiskType) => {
  for (const manner of MANNERS) {
    test(
      `while a store is made and used: ${manner}`,
      async () => {
        await failEachCall('work', flushDiskType, manner, emptyStart())
      },
      TIMEOUT_MS,
    )

    test(
      `while a store is made and used, until it is killed: ${manner}`,
      async () => {
        await failEachCall('work', flushDiskType, manner, emptyStart(), 'kill')
      },
      TIMEOUT_MS,
    )

    test(
      `while old messages are removed: ${manner}`,
      async () => {
        await failEachCall('retention', flushDiskType, manner, emptyStart())
      },
      TIMEOUT_MS,
    )

    test(
      `while a killed store is recovered: ${manner}`,
      async () => {
        await failEachCall('visit', flushDiskType, manner, await killedStart(SCENARIOS.work))
      },
      TIMEOUT_MS,
    )
  }
})

describe('A call fails while journal segments come and go', () => {
  const scenario = SCENARIOS.rotation
  const base = { scenario, flushDiskType: 'ASYNC_FLUSH', start: emptyStart() } as const

  if (process.env.POCKETMQ_FAULTS === 'all') {
    test.each(MANNERS)(
      '%s',
      async (manner) => {
        await failEachCall('rotation', 'ASYNC_FLUSH', manner, emptyStart())
      },
      TIMEOUT_MS,
    )
    return
  }

  test.each(ROTATION_KINDS)(
    '%s',
    async (kind) => {
      const number = (await callsOf(base)).lastIndexOf(kind) + 1
      expect(await runWithFault({ ...base, manner: 'fails-before', number })).toBe(kind)
    },
    TIMEOUT_MS,
  )
})
