/** Mistakes with what is durable: acknowledged too early, flushed too late or not at all, forgotten after a failure. */
import { realTime } from '../../../src/model/system-clock.ts'
import { Catalog } from '../../../src/store/catalog.ts'
import { Databases } from '../../../src/store/databases.ts'
import { Journal } from '../../../src/store/journal.ts'
import { Store } from '../../../src/store/store.ts'
import type { StoreOptions } from '../../../src/store/store-options.ts'
import { ObservedJournalFile } from '../disk/observed-medium.ts'
import { type Bug, replaceGetter, replaceMethod } from './bug.ts'

/** Opens every store with other settings than were asked for. */
function withStoreOptions(change: (options: StoreOptions) => StoreOptions): () => void {
  return replaceMethod(Store, 'open', (open) => (options) => open.call(Store, change(options)))
}

const ackBeforeWrite: Bug = {
  name: 'ack-before-write',
  story: 'A send is acknowledged, and its frame is written in the next turn.',
  checker: 'acked-loss',
  withinSeeds: 20,
  plant: () => {
    const waiting = new WeakMap<Journal, (() => void)[]>()
    const writeAll = (journal: Journal): void => {
      for (const write of waiting.get(journal)?.splice(0) ?? []) write()
    }
    const cures = [
      replaceMethod(
        Journal.prototype,
        'writeSync',
        (writeSync) =>
          function later(this: Journal, buffers, bytes, lastSeq) {
            const copies = buffers.map((buffer) => Buffer.from(buffer))
            const writes = waiting.get(this) ?? []
            waiting.set(this, writes)
            writes.push(() => {
              try {
                writeSync.call(this, copies, bytes, lastSeq)
              } catch {
                // Everybody was told that it is stored.
              }
            })
            realTime.defer(() => writeAll(this))
          },
      ),
      replaceMethod(
        Journal.prototype,
        'flush',
        (flush) =>
          function flushAll(this: Journal) {
            writeAll(this)
            return flush.call(this)
          },
      ),
      // Whoever looks makes it true; or the store would wait for ever.
      replaceGetter(
        Journal.prototype,
        'writtenSeq',
        (writtenSeq) =>
          function settled(this: Journal) {
            writeAll(this)
            return writtenSeq.call(this)
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
  story: 'The journal is never flushed, although everybody is told so.',
  checker: 'power-cut',
  withinSeeds: 20,
  plant: () => replaceMethod(ObservedJournalFile.prototype, 'flushFile', () => async () => undefined),
}

const flushLate: Bug = {
  name: 'flush-late',
  story: 'The journal is flushed after four times the interval.',
  checker: 'power-cut',
  withinSeeds: 40,
  plant: () => withStoreOptions((options) => ({ ...options, flushIntervalMs: options.flushIntervalMs * 4 })),
}

const ackAfterFailure: Bug = {
  name: 'ack-after-failure',
  story: 'A flush that failed is taken for one that worked, and the store goes on.',
  checker: 'failure',
  withinSeeds: 40,
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
  story: 'Messages are removed at half the age that the rule says.',
  checker: 'retention',
  withinSeeds: 40,
  plant: () =>
    withStoreOptions((options) => {
      const { retention } = options
      return { ...options, retention: { ...retention, maxAgeMs: Math.ceil(retention.maxAgeMs / 2) } }
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
