/**
 * The power goes, or the process is killed, at any call: what is left is what some beginning of the history makes, with
 * everything in it that had to survive. `POCKETMQ_CUT_SEEDS=5000` runs more seeds, `POCKETMQ_CUT_SEED=17` runs one.
 * With large messages, under which journal segments come and go, a seed takes a second, so there are fewer.
 */
import { expect, test } from 'vitest'
import { Lives } from './lives.ts'

const SEEDS = Number(process.env.POCKETMQ_CUT_SEEDS ?? 300)
const ONE_SEED = process.env.POCKETMQ_CUT_SEED
const LIVES = 4
const SEEDS_PER_LARGE_SEED = 60
const TIMEOUT_MS = 1_000_000

const CASES = [
  ['ASYNC_FLUSH', 'small', SEEDS],
  ['SYNC_FLUSH', 'small', SEEDS],
  ['ASYNC_FLUSH', 'large', Math.ceil(SEEDS / SEEDS_PER_LARGE_SEED)],
] as const

function seedsUpTo(count: number): number[] {
  if (ONE_SEED !== undefined) return [Number(ONE_SEED)]
  return Array.from({ length: count }, (_, i) => i + 1)
}

for (const [flushDiskType, size, count] of CASES) {
  test(
    `${flushDiskType}, ${size} messages: a crash leaves a beginning of the history, with all that had to survive`,
    async () => {
      const failures: string[] = []
      let openings = 0
      let survived = 0
      for (const seed of seedsUpTo(count)) {
        try {
          const report = await new Lives(seed, flushDiskType, size === 'large').run(LIVES)
          openings += report.openings
          survived += report.survived
        } catch (error) {
          failures.push(`seed ${seed}: ${error instanceof Error ? error.stack : error}`)
        }
      }
      expect(failures.slice(0, 3), `${failures.length} seeds failed`).toEqual([])
      expect(openings).toBeGreaterThan(0)
      expect(survived).toBeGreaterThan(0)
    },
    TIMEOUT_MS,
  )
}
