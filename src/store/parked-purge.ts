/**
 * Removes the rows of parked messages whose time has passed and of which none waits any more. First the pages, and only when that is
 * durable what says that their messages have gone on: a page that a power cut brings back must not bring back its messages.
 */
import type { Databases } from './databases.ts'
import { rangeOfBuckets } from './keyspace.ts'

interface PurgeSource {
  readonly databases: Databases
  /** The first bucket of which something may wait, or is to come. */
  firstNeeded(): number
}

/** Every write goes through `maintain`: no slice is applied meanwhile. */
export async function purgeParked(
  { databases, firstNeeded }: PurgeSource,
  maintain: (work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { index } = databases
  const needed = firstNeeded()
  if (!(await hasRows('parked', needed)) && !(await hasRows('parkedCleared', needed))) return
  await maintain(() => index.level.clear(rangeOfBuckets('parked', 0, Math.min(needed, firstNeeded()))))
  await maintain(async () => {
    await index.barrier()
    // A clock that was set back may have brought new pages.
    const before = Math.min(needed, firstNeeded())
    if (!(await hasRows('parked', before)))
      await index.level.clear(rangeOfBuckets('parkedCleared', 0, before))
  })

  async function hasRows(kind: 'parked' | 'parkedCleared', before: number): Promise<boolean> {
    return (await index.level.keys({ ...rangeOfBuckets(kind, 0, before), limit: 1 }).all()).length > 0
  }
}
