/**
 * The short form of `npm run sim`. `POCKETMQ_SIM_SEEDS=500` runs more seeds; a failure names its seed, and
 * `npm run sim -- --seed 17 --trace` shows what happened.
 */
import { describe, expect, test } from 'vitest'
import { REGRESSIONS } from './regressions.ts'
import { simulate } from './simulate.ts'

const SEEDS = Number(process.env.POCKETMQ_SIM_SEEDS ?? 25)
const TIMEOUT_MS = 3_600_000

describe('A simulation', () => {
  test(
    `breaks no promise under ${SEEDS} seeds`,
    async () => {
      let virtualMs = 0
      let realMs = 0
      for (let seed = 1; seed <= SEEDS; seed++) {
        const result = await simulate({ seed })
        expect(result.violations).toEqual([])
        virtualMs += result.virtualMs
        realMs += result.realMs
      }
      console.log(`${SEEDS} seeds, virtual time / real time = ${Math.round(virtualMs / realMs)}`)
    },
    TIMEOUT_MS,
  )

  test.each(REGRESSIONS)('breaks no promise under seed $seed any more: $note', async (regression) => {
    expect((await simulate(regression)).violations).toEqual([])
  })

  test.each([3, 8, 21])('leaves the same trace whenever seed %i is run', async (seed) => {
    const first = await simulate({ seed })
    const second = await simulate({ seed })
    expect(second.lines).toEqual(first.lines)
    expect(second.hash).toBe(first.hash)
    expect((await simulate({ seed: seed + 1 })).hash).not.toBe(first.hash)
  })
})
