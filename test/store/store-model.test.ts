import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'vitest'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { openBareStore } from './set-up.ts'
import { commands, expectSame, Model } from './store-model.ts'

/** Generations of a few seconds and of 16 KiB, so that trims take something. */
const retention = { maxAgeMs: 60_000, maxBytes: 100_000, intervalMs: 1e9 }

/** Runs commands against a store and its model, and compares the two in the end. */
async function runAgainstModel(settings: Partial<StoreOptions>, runs: Iterable<fc.AsyncCommand<Model, never>>): Promise<void> {
  const shop = await openBareStore({ retention, ...settings })
  const model = new Model()
  try {
    await fc.asyncModelRun(() => ({ model, real: shop as never }), runs)
    await expectSame(model, shop)
    if (shop.options.storage === 'disk') {
      await shop.reopen()
      await expectSame(model, shop)
    }
  } finally {
    await shop.store.close()
  }
}

const sequences = fc.commands(commands as never[], { maxCommands: 60, size: 'max' })

test('A store in memory behaves as plain arrays do, whatever is done to it', async () => {
  await fc.assert(
    fc.asyncProperty(sequences as never, (runs) => runAgainstModel({ storage: 'memory' }, runs)),
    { numRuns: 60, interruptAfterTimeLimit: 8000 },
  )
})

test('A store on disk behaves as plain arrays do, whatever is done to it, also when it is closed and opened', async () => {
  await fc.assert(
    fc.asyncProperty(sequences as never, async (runs) => {
      const path = await mkdtemp(join(tmpdir(), 'pocketmq-'))
      await runAgainstModel({ storage: 'disk', path }, runs).finally(() => rm(path, { recursive: true }))
    }),
    { numRuns: 25, interruptAfterTimeLimit: 9000 },
  )
})
