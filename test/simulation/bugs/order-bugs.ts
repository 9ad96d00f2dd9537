/** Mistakes with queues whose order is kept: overtaking, two calls at a time, attempts that are forgotten or miscounted. */
import { Attempts } from '../../../src/broker/attempts.ts'
import { InPlaceFailures } from '../../../src/consumer/in-place-failures.ts'
import { ProcessQueue } from '../../../src/consumer/process-queue.ts'
import { AlarmTable } from '../../../src/store/alarm-table.ts'
import { NEVER } from '../../../src/store/invisible-run.ts'
import type { Profile } from '../model/profile.ts'
import { type Bug, every, replaceGetter, replaceMethod } from './bug.ts'

const overtaken: Bug = {
  name: 'failure-overtaken',
  story: 'When a message of an orderly queue fails, what lies behind it is delivered next.',
  checker: 'delivery-order',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'orderly'),
  plant: () =>
    replaceMethod(
      ProcessQueue.prototype,
      'putBack',
      () =>
        function leave(this: ProcessQueue, count) {
          for (let i = 0; i < count; i++) this.setAside()
        },
    ),
}

const handedOverBusy: Bug = {
  name: 'handed-over-busy',
  story: 'An orderly queue goes to another member while a listener of the former one is at work on it.',
  checker: 'one-in-flight',
  withinSeeds: 40,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'orderly'),
  plant: () =>
    replaceMethod(
      ProcessQueue.prototype,
      'drop',
      (drop) =>
        function hasty(this: ProcessQueue) {
          void drop.call(this)
          return Promise.resolve()
        },
    ),
}

const fifoNotHeld: Bug = {
  name: 'fifo-not-held',
  story: 'Now and then somebody receives of a FIFO queue while messages of it are invisible.',
  checker: 'one-in-flight',
  withinSeeds: 40,
  needs: ({ groups }) => groups.some(({ kind, isOrderly }) => kind === 'simple' && isOrderly),
  plant: () => {
    const isOverlooked = every(3)
    return replaceMethod(
      AlarmTable.prototype,
      'orderly',
      (orderly) =>
        function overlooked(this: AlarmTable, groupUid, queueUid) {
          const rows = orderly.call(this, groupUid, queueUid)
          if (rows.size === 0 || !isOverlooked()) return rows
          return new Map([...rows].filter(([, { dueTimestamp }]) => dueTimestamp === NEVER))
        },
    )
  },
}

const attemptsForgotten: Bug = {
  name: 'attempts-forgotten',
  story: 'Whoever gets an orderly queue begins to count the attempts of its messages anew.',
  checker: 'retry-count',
  withinSeeds: 40,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'orderly'),
  plant: () => replaceMethod(Attempts.prototype, 'query', () => async () => []),
}

const givenUpTooSoon: Bug = {
  name: 'given-up-too-soon',
  story: 'An orderly message becomes a dead letter one attempt too early.',
  checker: 'dead-letters',
  withinSeeds: 40,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'orderly'),
  plant: () =>
    replaceMethod(
      InPlaceFailures.prototype,
      'isSpent',
      (isSpent) =>
        function impatient(this: InPlaceFailures, message) {
          const { reconsumeTimes } = message
          const failed = Object.create(message, { reconsumeTimes: { value: reconsumeTimes + 1 } })
          return isSpent.call(this, failed)
        },
    ),
}

const doneForgotten: Bug = {
  name: 'done-forgotten',
  story: 'What was done behind a message that is not is forgotten at a hand-over.',
  checker: 'assignment',
  withinSeeds: 40,
  needs: hasMessageGroups,
  plant: () => replaceGetter(ProcessQueue.prototype, 'doneOffsets', () => () => []),
}

const doneInvented: Bug = {
  name: 'done-invented',
  story: 'Who gives back a queue of message groups says that its first message is done, too.',
  checker: 'acked-loss',
  withinSeeds: 40,
  needs: hasMessageGroups,
  plant: () =>
    replaceGetter(
      ProcessQueue.prototype,
      'doneOffsets',
      (doneOffsets) =>
        function generous(this: ProcessQueue) {
          return [...doneOffsets.call(this), this.committableOffset]
        },
    ),
}

function hasMessageGroups({ groups }: Profile): boolean {
  return groups.some(({ kind, byMessageGroup }) => kind === 'orderly' && byMessageGroup)
}

export const ORDER_BUGS: readonly Bug[] = [
  overtaken,
  handedOverBusy,
  fifoNotHeld,
  attemptsForgotten,
  givenUpTooSoon,
  doneForgotten,
  doneInvented,
]
