/** Mistakes with sends that are repeated: forgotten over a restart, and windows of another length. */
import { Deduplication } from '../../../src/broker/deduplication.ts'
import type { Clock } from '../../../src/model/clock.ts'
import { formatMessageId } from '../../../src/model/message-id.ts'
import { Store } from '../../../src/store/store.ts'
import { type Bug, replaceMethod } from './bug.ts'

/** Of the seeds that windows of another length are planted in. */
const WINDOW_MS = 10_000

const repeatForgotten: Bug = {
  name: 'repeat-forgotten',
  story: 'A restart forgets which ids were sent.',
  checker: 'deduplication',
  withinSeeds: 30,
  needs: ({ delays, troubles }) =>
    delays.onceWeight > 0 &&
    delays.deduplicationWindowMs >= 60_000 &&
    troubles.crashes + troubles.restarts > 0,
  plant: () => {
    const known = new WeakMap<Deduplication, Set<string>>()
    return replaceMethod(
      Deduplication.prototype,
      'send',
      (send) =>
        function forgetful(this: Deduplication, log, request, append) {
          const ids = known.get(this) ?? new Set()
          known.set(this, ids)
          const id = `${log.queue.topic} ${formatMessageId(request.messages.messageId)}`
          if (ids.has(id)) return send.call(this, log, request, append)
          ids.add(id)
          return append(request)
        },
    )
  },
}

const windowTooLong: Bug = {
  name: 'window-too-long',
  story: 'Ids are free again only after twice the time.',
  checker: 'deduplication',
  withinSeeds: 20,
  needs: ({ delays }) => delays.deduplicationWindowMs === WINDOW_MS,
  plant: () => withWindow(WINDOW_MS * 2),
}

const windowTooShort: Bug = {
  name: 'window-too-short',
  story: 'Ids are free again after half the time.',
  checker: 'deduplication',
  withinSeeds: 30,
  needs: ({ delays }) => delays.deduplicationWindowMs === WINDOW_MS,
  plant: () => withWindow(WINDOW_MS / 2),
}

/** Lets each instance look for repetitions in a window of another length. */
function withWindow(deduplicationWindowMs: number): () => void {
  let opened: { readonly store: Store; readonly clock: Clock } | undefined
  const others = new WeakMap<Deduplication, Deduplication>()
  const cures = [
    replaceMethod(
      Store,
      'open',
      (open) =>
        async function noted(options) {
          const store = await open.call(Store, options)
          opened = { store, clock: options.clock }
          return store
        },
    ),
    replaceMethod(
      Deduplication.prototype,
      'send',
      (send) =>
        function misled(this: Deduplication, ...parameters) {
          if (opened === undefined) return send.apply(this, parameters)
          const other =
            others.get(this) ?? new Deduplication(opened.store, opened.clock, { deduplicationWindowMs })
          others.set(this, other)
          return send.apply(other, parameters)
        },
    ),
  ]
  return () => {
    for (const cure of cures) cure()
  }
}

export const DEDUPLICATION_BUGS: readonly Bug[] = [repeatForgotten, windowTooLong, windowTooShort]
