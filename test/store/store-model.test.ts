import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'vitest'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { openBareStore, type TestStore } from './set-up.ts'
import { begin, commands, expectSame, Model } from './store-model.ts'

/** Generations of a few seconds and of 16 KiB, so that trims take something. */
const retention = { maxAgeMs: 15_000, maxBytes: 100_000, intervalMs: 1e9 }

/** Runs commands against a store and its model, and compares the two in the end. */
async function runAgainstModel(
  settings: Partial<StoreOptions>,
  runs: Iterable<fc.AsyncCommand<Model, TestStore>>,
): Promise<void> {
  const shop = await openBareStore({ retention, ...settings })
  const model = new Model()
  await begin(model, shop)
  try {
    await fc.asyncModelRun(() => ({ model, real: shop }), runs)
    await expectSame(model, shop)
    if (shop.options.storage === 'disk') {
      await shop.reopen()
      await expectSame(model, shop)
    }
  } finally {
    await shop.store.close()
  }
}

const sequences = fc.commands(commands, { maxCommands: 60, size: 'max' })

test('A store in memory behaves as plain arrays do, whatever is done to it', async () => {
  await fc.assert(
    fc.asyncProperty(sequences, (runs) => runAgainstModel({ storage: 'memory' }, runs)),
    { numRuns: 50, interruptAfterTimeLimit: 4000 },
  )
})

test('A store on disk behaves as plain arrays do, whatever is done to it, also when it is closed and opened', async () => {
  await fc.assert(
    fc.asyncProperty(sequences, async (runs) => {
      const path = await mkdtemp(join(tmpdir(), 'pocketmq-'))
      await runAgainstModel({ storage: 'disk', path }, runs).finally(() => rm(path, { recursive: true }))
    }),
    { numRuns: 25, interruptAfterTimeLimit: 6000 },
  )
})
