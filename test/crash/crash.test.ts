/** A short run of the crash loop; `npm run crash -- --kills N` goes on for longer. */
import { expect, test } from 'vitest'
import { runCrashes } from './crashes.ts'

const KILLS = 16

test(`${KILLS} kills at random moments lose nothing that was acknowledged, in either flush mode`, async () => {
  const seed = Number(process.env.CRASH_SEED ?? 20_261_122)
  const report = await runCrashes({
    kills: KILLS,
    seed,
    modes: ['ASYNC_FLUSH', 'SYNC_FLUSH'],
    keep: undefined,
    onProgress: () => undefined,
  })
  expect(report.violations, `seed ${seed}`).toEqual([])
  expect(report).toMatchObject({ kills: KILLS, lost: 0, torn: 0, wrong: 0 })
  expect(report.acknowledged).toBeGreaterThan(100)
}, 180_000)
