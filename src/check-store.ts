/** The whole-store check as a tool, for a store that nobody has open. */
import type { CheckReport } from './model/engine.ts'
import { parseOpenOptions } from './open-options.ts'
import { Store } from './store/store.ts'

/**
 * Opens a store, compares everything in it with everything else, and closes it. A store whose process died is recovered
 * first, as by `PocketMQ.open`. Rejects with `INVALID_PARAMETER` when there is no store, and as `PocketMQ.open` does.
 *
 * @example
 * ```ts
 * import { checkStore } from 'pocketmq'
 * const report = await checkStore('./data')
 * for (const problem of report.problems) console.error(problem.kind, problem.message)
 * ```
 */
export async function checkStore(path: string): Promise<CheckReport> {
  // A check removes nothing, whatever its owner's retention rule says.
  const retention = { maxAgeMs: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }
  const store = await Store.open({ ...parseOpenOptions({ path, retention }).store, createIfMissing: false })
  try {
    return await store.check()
  } finally {
    await store.close()
  }
}
