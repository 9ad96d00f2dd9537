/** Mistakes with what failed: retries too early, miscounted, lost or doubled, dead letters at the wrong time. */
import { DeadLetters } from '../../../src/broker/dead-letters.ts'
import { Retry } from '../../../src/broker/retry.ts'
import { AlarmTable } from '../../../src/store/alarm-table.ts'
import type { Alarm } from '../../../src/store/fact.ts'
import { Store } from '../../../src/store/store.ts'
import { type Bug, every, replaceMethod } from './bug.ts'

const EARLY_MS = 700

/** Lets failed messages have other limits than they have. */
function withLimit(change: (maxReconsumeTimes: number) => number): () => void {
  return replaceMethod(
    Retry.prototype,
    'sendBack',
    (sendBack) =>
      function miscounting(this: Retry, request) {
        return sendBack.call(this, { ...request, maxReconsumeTimes: change(request.maxReconsumeTimes) })
      },
  )
}

const deadTooSoon: Bug = {
  name: 'dead-too-soon',
  story: 'A message becomes a dead letter one retry too early.',
  checker: 'dead-letters',
  withinSeeds: 20,
  plant: () => withLimit((limit) => Math.max(0, limit - 1)),
}

const deadTooLate: Bug = {
  name: 'dead-too-late',
  story: 'A message becomes a dead letter one retry too late.',
  checker: 'dead-letters',
  withinSeeds: 20,
  plant: () => withLimit((limit) => limit + 1),
}

const deadTwice: Bug = {
  name: 'dead-twice',
  story: 'Some messages become two dead letters.',
  checker: 'dead-letters',
  withinSeeds: 20,
  plant: () => {
    const isDoubled = every(3)
    return replaceMethod(
      DeadLetters.prototype,
      'add',
      (add) =>
        async function doubled(this: DeadLetters, group, message, reason) {
          if (isDoubled()) await add.call(this, group, message, reason)
          return add.call(this, group, message, reason)
        },
    )
  },
}

const retryEarly: Bug = {
  name: 'retry-early',
  story: 'Retries are due some hundred milliseconds before their time.',
  checker: 'backoff',
  withinSeeds: 20,
  plant: () => {
    const cures = [
      replaceMethod(
        AlarmTable.prototype,
        'due',
        (due) =>
          function early(this: AlarmTable, now, maxCount) {
            return due.call(this, now + EARLY_MS, maxCount)
          },
      ),
      replaceMethod(
        AlarmTable.prototype,
        'nextDueTimestamp',
        (next) =>
          function early(this: AlarmTable) {
            const due = next.call(this)
            return due === undefined ? undefined : due - EARLY_MS
          },
      ),
    ]
    return () => {
      for (const cure of cures) cure()
    }
  },
}

const retryUncounted: Bug = {
  name: 'retry-uncounted',
  story: 'A retry counts no more failures than the attempt before it.',
  checker: 'retry-count',
  withinSeeds: 20,
  plant: () =>
    replaceMethod(
      Retry.prototype,
      'planDelivery',
      (plan) =>
        function uncounted(this: Retry, alarm) {
          return plan.call(this, { ...alarm, attempt: alarm.attempt - 1 })
        },
    ),
}

const retryLost: Bug = {
  name: 'retry-lost',
  story: 'Some retries that are due are taken off the list and never delivered.',
  checker: 'acked-loss',
  withinSeeds: 20,
  plant: () => {
    const isLost = every(4)
    return replaceMethod(
      Store.prototype,
      'commit',
      (commit) =>
        function losing(this: Store, change) {
          const isRetry = (change.alarmsCleared ?? []).length > 0
          return commit.call(this, isRetry && isLost() ? { ...change, appends: [] } : change)
        },
    )
  },
}

const retryInTwoSteps: Bug = {
  name: 'retry-in-two-steps',
  story: 'Retries are stored in one commit, and taken off the list on disk in another, four at a time.',
  checker: 'retry-count',
  withinSeeds: 20,
  needs: ({ groups, troubles }) =>
    troubles.crashes >= 2 && groups.some(({ habits }) => habits.fails + habits.throws > 0),
  plant: () => {
    const delivered = new WeakMap<Store, Alarm[]>()
    return replaceMethod(
      Store.prototype,
      'commit',
      (commit) =>
        async function split(this: Store, change) {
          const { alarmsCleared = [], ...rest } = change
          if (alarmsCleared.length === 0 || change.topicsDeleted !== undefined)
            return commit.call(this, change)
          await commit.call(this, rest)
          // Who lives on does not deliver it again.
          for (const { id } of alarmsCleared) this.alarms.clear(id)
          const waiting = [...(delivered.get(this) ?? []), ...alarmsCleared]
          delivered.set(this, waiting)
          if (waiting.length >= 4) await commit.call(this, { alarmsCleared: waiting.splice(0) })
        },
    )
  },
}

export const RETRY_BUGS: readonly Bug[] = [
  deadTooSoon,
  deadTooLate,
  deadTwice,
  retryEarly,
  retryUncounted,
  retryLost,
  retryInTwoSteps,
]
