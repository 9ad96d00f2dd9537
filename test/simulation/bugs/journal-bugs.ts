/** Mistakes with what is durable: acknowledged too early, flushed too late or not at all, forgotten after a failure. */
import { Catalog } from '../../../src/store/catalog.ts'
import { Databases } from '../../../src/store/databases.ts'
import { Journal } from '../../../src/store/journal.ts'
import { Store } from '../../../src/store/store.ts'
import type { StoreOptions } from '../../../src/store/store-options.ts'
import { ObservedJournalFile } from '../disk/observed-medium.ts'
import { type Bug, every, replaceGetter, replaceMethod } from './bug.ts'

/** Opens every store with other settings than were asked for. */
function withStoreOptions(change: (options: StoreOptions) => StoreOptions): () => void {
  return replaceMethod(Store, 'open', (open) => (options) => open.call(Store, change(options)))
}

/** What a journal was given and has not written. */
interface Unwritten {
  writes: (() => void)[]
  lastSeq: number
}

const ackBeforeWrite: Bug = {
  name: 'ack-before-write',
  story: 'A send is acknowledged at once, and its frame is written when the journal is flushed.',
  checker: 'acked-loss',
  withinSeeds: 40,
  needs: ({ flushDiskType, flushIntervalMs, troubles }) =>
    flushDiskType === 'ASYNC_FLUSH' && flushIntervalMs >= 500 && troubles.crashes >= 3,
  plant: () => {
    const unwritten = new WeakMap<Journal, Unwritten>()
    const cures = [
      replaceMethod(
        Journal.prototype,
        'writeSync',
        (writeSync) =>
          function later(this: Journal, buffers, bytes, lastSeq) {
            const copies = buffers.map((buffer) => Buffer.from(buffer))
            const writes = unwritten.get(this)?.writes ?? []
            writes.push(() => writeSync.call(this, copies, bytes, lastSeq))
            unwritten.set(this, { writes, lastSeq })
          },
      ),
      replaceMethod(
        Journal.prototype,
        'flush',
        (flush) =>
          async function flushAll(this: Journal) {
            for (const write of unwritten.get(this)?.writes.splice(0) ?? []) write()
            await flush.call(this)
          },
      ),
      // Or nobody would know that there is something to flush.
      replaceGetter(
        Journal.prototype,
        'writtenSeq',
        (writtenSeq) =>
          function claimed(this: Journal) {
            return Math.max(writtenSeq.call(this), unwritten.get(this)?.lastSeq ?? 0)
          },
      ),
    ]
    return () => {
      for (const cure of cures) cure()
    }
  },
}

const syncDropped: Bug = {
  name: 'sync-dropped',
  story: 'Every second flush of the journal does nothing, although everybody is told so.',
  checker: 'power-cut',
  withinSeeds: 40,
  needs: ({ flushDiskType, troubles }) => flushDiskType === 'SYNC_FLUSH' && troubles.crashes >= 4,
  plant: () => {
    const isDropped = every(2)
    return replaceMethod(
      ObservedJournalFile.prototype,
      'flushFile',
      (flushFile) =>
        async function dropped(this: ObservedJournalFile) {
          if (!isDropped()) await flushFile.call(this)
        },
    )
  },
}

const flushLate: Bug = {
  name: 'flush-late',
  story: 'The journal is flushed after four times the interval.',
  checker: 'power-cut',
  withinSeeds: 40,
  needs: ({ flushDiskType, troubles }) => flushDiskType === 'ASYNC_FLUSH' && troubles.crashes >= 3,
  plant: () => withStoreOptions((options) => ({ ...options, flushIntervalMs: options.flushIntervalMs * 4 })),
}

const ackAfterFailure: Bug = {
  name: 'ack-after-failure',
  story: 'A flush that failed is taken for one that worked, and the store goes on.',
  checker: 'failure',
  withinSeeds: 40,
  needs: ({ troubles }) => troubles.diskFaults >= 2,
  plant: () =>
    replaceMethod(
      Journal.prototype,
      'flush',
      (flush) =>
        function confident(this: Journal) {
          return flush.call(this).catch(() => undefined)
        },
    ),
}

const closeWithoutBarrier: Bug = {
  name: 'close-without-barrier',
  story: 'Closing leaves what LevelDB has not flushed to the operating system.',
  checker: 'liveness',
  withinSeeds: 10,
  plant: () => replaceMethod(Databases.prototype, 'barrier', () => async () => undefined),
}

const offsetReused: Bug = {
  name: 'offset-reused',
  story: 'After a restart each queue ends one message too early, and gives that offset again.',
  checker: 'offset-identity',
  withinSeeds: 10,
  plant: () =>
    replaceMethod(
      Catalog.prototype,
      'putTopic',
      (putTopic) =>
        function shortened(this: Catalog, uid, config, states) {
          const shorter = [...(states ?? [])].map(([queueUid, state]) => {
            const maxOffset = Math.max(state.minOffset, state.maxOffset - 1)
            return [queueUid, { ...state, maxOffset }] as const
          })
          putTopic.call(this, uid, config, states && new Map(shorter))
        },
    ),
}

const retentionEager: Bug = {
  name: 'retention-eager',
  story: 'Messages are removed at half the age, or half the bytes, that the rule says.',
  checker: 'retention',
  withinSeeds: 40,
  needs: ({ retention }) => retention.maxAgeMs !== Infinity || retention.maxBytes !== Infinity,
  plant: () =>
    withStoreOptions((options) => {
      const { maxAgeMs, maxBytes, ...rest } = options.retention
      const retention = { ...rest, maxAgeMs: Math.ceil(maxAgeMs / 2), maxBytes: Math.ceil(maxBytes / 2) }
      return { ...options, retention }
    }),
}

export const JOURNAL_BUGS: readonly Bug[] = [
  ackBeforeWrite,
  syncDropped,
  flushLate,
  ackAfterFailure,
  closeWithoutBarrier,
  offsetReused,
  retentionEager,
]
