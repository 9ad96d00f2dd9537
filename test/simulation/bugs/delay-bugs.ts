/** Mistakes with what comes later: too early, too late, twice or never, and answers to those who decide about it that are not true. */
import { DelayedMessages } from '../../../src/broker/delayed-messages.ts'
import { parseRecallHandle } from '../../../src/broker/recall-handle.ts'
import { MQError } from '../../../src/model/errors.ts'
import { AlarmTable } from '../../../src/store/alarm-table.ts'
import type { Alarm } from '../../../src/store/fact.ts'
import { Store } from '../../../src/store/store.ts'
import type { Profile } from '../model/profile.ts'
import { type Bug, every, replaceMethod } from './bug.ts'

const EARLY_MS = 700
const LATE_MS = 1000

const hasDelays = ({ delays }: Profile): boolean => delays.delayedWeight > 0
const hasDecisions = ({ delays }: Profile): boolean =>
  delays.delayedWeight >= 15 && delays.decisionWeight >= 5

function lateDue({ kind, dueTimestamp }: Alarm): number {
  return kind === 'delay' ? dueTimestamp + LATE_MS : dueTimestamp
}

const delayEarly: Bug = {
  name: 'delay-early',
  story: 'Delayed messages come some hundred milliseconds before their time when something else is due.',
  checker: 'delays',
  withinSeeds: 20,
  needs: hasDelays,
  plant: () =>
    replaceMethod(
      AlarmTable.prototype,
      'due',
      (due) =>
        function early(this: AlarmTable, now, maxCount) {
          const soon = due.call(this, now + EARLY_MS, maxCount)
          return soon.filter(({ kind, dueTimestamp }) => kind === 'delay' || dueTimestamp <= now)
        },
    ),
}

const delayLate: Bug = {
  name: 'delay-late',
  story: 'Delayed messages come a second after their time.',
  checker: 'delays',
  withinSeeds: 20,
  needs: hasDelays,
  plant: () => {
    const cures = [
      replaceMethod(
        AlarmTable.prototype,
        'due',
        (due) =>
          function late(this: AlarmTable, now, maxCount) {
            return due.call(this, now, maxCount).filter((alarm) => lateDue(alarm) <= now)
          },
      ),
      replaceMethod(
        AlarmTable.prototype,
        'nextDueTimestamp',
        () =>
          function late(this: AlarmTable) {
            const dues = [...this.values()].map(lateDue)
            return dues.length === 0 ? undefined : Math.min(...dues)
          },
      ),
    ]
    return () => {
      for (const cure of cures) cure()
    }
  },
}

const delayTwice: Bug = {
  name: 'delay-twice',
  story: 'Some delayed messages are appended twice in the commit that ends their wait.',
  checker: 'delays',
  withinSeeds: 10,
  needs: hasDelays,
  plant: () => {
    const isDoubled = every(7)
    return replaceMethod(
      DelayedMessages.prototype,
      'planDelivery',
      (plan) =>
        async function doubled(this: DelayedMessages, alarm) {
          const { appends = [], ...rest } = await plan.call(this, alarm)
          return { ...rest, appends: isDoubled() ? [...appends, ...appends] : appends }
        },
    )
  },
}

const delayInTwoSteps: Bug = {
  name: 'delay-in-two-steps',
  story:
    'Delayed messages are appended in one commit, and their wait is ended on disk in another, four at a time.',
  checker: 'delays',
  withinSeeds: 20,
  needs: (profile) => hasDelays(profile) && profile.troubles.crashes >= 2,
  plant: () => {
    const delivered = new WeakMap<Store, Alarm[]>()
    return replaceMethod(
      Store.prototype,
      'commit',
      (commit) =>
        async function split(this: Store, change) {
          const { alarmsCleared = [], ...rest } = change
          const isDelivery = alarmsCleared.length > 0 && alarmsCleared.every(({ kind }) => kind === 'delay')
          if (!isDelivery || change.topicsDeleted !== undefined || (change.appends ?? []).length === 0)
            return commit.call(this, change)
          const stored = await commit.call(this, rest)
          // Who lives on does not deliver it again.
          for (const { id } of alarmsCleared) this.alarms.clear(id)
          const waiting = [...(delivered.get(this) ?? []), ...alarmsCleared]
          delivered.set(this, waiting)
          if (waiting.length >= 4) await commit.call(this, { alarmsCleared: waiting.splice(0) })
          return stored
        },
    )
  },
}

const delayForgotten: Bug = {
  name: 'delay-forgotten',
  story: 'Some of what waits from before a restart ends its wait without coming.',
  checker: 'delays',
  withinSeeds: 20,
  needs: (profile) => hasDelays(profile) && profile.troubles.crashes >= 2,
  plant: () => {
    const isForgotten = every(2)
    const firstIds = new WeakMap<DelayedMessages, number>()
    let nextId = 0
    const cures = [
      replaceMethod(
        AlarmTable.prototype,
        'reserveIds',
        (reserveIds) =>
          function noted(this: AlarmTable, id) {
            reserveIds.call(this, id)
            nextId = this.nextId
          },
      ),
      replaceMethod(
        DelayedMessages.prototype,
        'planDelivery',
        (plan) =>
          async function forgetful(this: DelayedMessages, alarm) {
            const firstId = firstIds.get(this) ?? nextId
            firstIds.set(this, firstId)
            return alarm.id < firstId && isForgotten() ? {} : plan.call(this, alarm)
          },
      ),
    ]
    return () => {
      for (const cure of cures) cure()
    }
  },
}

const recallInvented: Bug = {
  name: 'recall-invented',
  story: 'Some recalls are answered with success, and the message comes all the same.',
  checker: 'delays',
  withinSeeds: 30,
  needs: hasDecisions,
  plant: () => {
    const isInvented = every(2)
    return replaceMethod(
      DelayedMessages.prototype,
      'recallMessage',
      (recall) =>
        async function pretending(this: DelayedMessages, topic, handle) {
          return isInvented() ? parseRecallHandle(handle).messageId : recall.call(this, topic, handle)
        },
    )
  },
}

const recallDenied: Bug = {
  name: 'recall-denied',
  story: 'Some recalls are refused as too late, and the message never comes.',
  checker: 'delays',
  withinSeeds: 30,
  needs: hasDecisions,
  plant: () => {
    const isDenied = every(2)
    return replaceMethod(
      DelayedMessages.prototype,
      'recallMessage',
      (recall) =>
        async function denying(this: DelayedMessages, topic, handle) {
          const messageId = await recall.call(this, topic, handle)
          if (isDenied())
            throw new MQError('ILLEGAL_OPERATION', `The message ${messageId} does not wait any more.`)
          return messageId
        },
    )
  },
}

const moveIgnored: Bug = {
  name: 'move-ignored',
  story: 'What is moved keeps its time.',
  checker: 'delays',
  withinSeeds: 30,
  needs: hasDecisions,
  plant: () =>
    replaceMethod(
      DelayedMessages.prototype,
      'rescheduleMessage',
      (move) =>
        function ignoring(this: DelayedMessages, topic, handle) {
          try {
            return move.call(this, topic, handle, parseRecallHandle(handle).deliveryTimestamp)
          } catch (error) {
            return Promise.reject(error)
          }
        },
    ),
}

const fireForgotten: Bug = {
  name: 'fire-forgotten',
  story: 'Some messages that are said to be delivered now wait for their time.',
  checker: 'delays',
  withinSeeds: 30,
  needs: hasDecisions,
  plant: () => {
    const isForgotten = every(2)
    return replaceMethod(
      DelayedMessages.prototype,
      'deliverMessageNow',
      (fire) =>
        async function forgetful(this: DelayedMessages, topic, handle) {
          return isForgotten() ? parseRecallHandle(handle).messageId : fire.call(this, topic, handle)
        },
    )
  },
}

export const DELAY_BUGS: readonly Bug[] = [
  delayEarly,
  delayLate,
  delayTwice,
  delayInTwoSteps,
  delayForgotten,
  recallInvented,
  recallDenied,
  moveIgnored,
  fireForgotten,
]
