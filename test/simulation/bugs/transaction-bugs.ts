/** Mistakes with transactions: halves that are seen, ends that count twice, not at all or too late, checks at the wrong time or of the wrong group. */
import { TransactionChecks } from '../../../src/broker/transaction-checks.ts'
import { Transactions } from '../../../src/broker/transactions.ts'
import { TRANSACTION_CHECK_TOPIC } from '../../../src/model/topic.ts'
import { Parking } from '../../../src/store/parking.ts'
import { Store } from '../../../src/store/store.ts'
import type { Profile } from '../model/profile.ts'
import { type Bug, every, replaceMethod } from './bug.ts'

const EARLY_MS = 2000
const LATE_MS = 3000

function hasTransactions({ transactions }: Profile): boolean {
  return transactions.weight > 0
}

function isClumsy(profile: Profile): boolean {
  return hasTransactions(profile) && profile.transactions.clumsiness > 0
}

const halfSeen: Bug = {
  name: 'half-seen',
  story: 'Some halves go into their queues at once.',
  checker: 'transactions',
  withinSeeds: 10,
  needs: hasTransactions,
  plant: () => {
    const isSeen = every(3)
    return replaceMethod(
      Parking.prototype,
      'park',
      (park) =>
        async function open(this: Parking, log, spec, message, wait) {
          const parked = await park.call(this, log, spec, message, wait)
          if (spec.kind === 'transaction' && isSeen()) await this.end(parked.alarm, log)
          return parked
        },
    )
  },
}

const committedTwice: Bug = {
  name: 'committed-twice',
  story: 'Some commits append their message twice.',
  checker: 'transactions',
  withinSeeds: 10,
  needs: hasTransactions,
  plant: () => {
    const isDoubled = every(3)
    return replaceMethod(
      Parking.prototype,
      'end',
      (end) =>
        function doubled(this: Parking, alarm, log) {
          const ended = end.call(this, alarm, log)
          if (log !== undefined && alarm.kind === 'transaction' && isDoubled())
            void end.call(this, alarm, log).catch(() => undefined)
          return ended
        },
    )
  },
}

/** Lets some ends be others, or nothing. */
function withEnds(change: (id: string, end: string, transactions: Transactions) => string): () => void {
  return replaceMethod(
    Transactions.prototype,
    'endTransaction',
    (endTransaction) =>
      function changed(this: Transactions, id, group, end) {
        return endTransaction.call(this, id, group, change(id, end, this) as typeof end)
      },
  )
}

const rolledBackDelivered: Bug = {
  name: 'rolled-back-delivered',
  story: 'Some rollbacks are commits.',
  checker: 'transactions',
  withinSeeds: 10,
  needs: hasTransactions,
  plant: () => {
    const isWrong = every(3)
    return withEnds((_, end) => (end === 'ROLLBACK' && isWrong() ? 'COMMIT' : end))
  },
}

const commitForgotten: Bug = {
  name: 'commit-forgotten',
  story: 'Some commits are acknowledged, and nothing is done.',
  checker: 'transactions',
  withinSeeds: 10,
  needs: hasTransactions,
  plant: () => {
    const isForgotten = every(3)
    return withEnds((_, end) => (end === 'COMMIT' && isForgotten() ? 'UNKNOWN' : end))
  },
}

const lateCommitWins: Bug = {
  name: 'late-commit-wins',
  story: 'A rollback is kept in mind until it comes again; a commit that comes meanwhile wins.',
  checker: 'transactions',
  withinSeeds: 20,
  needs: isClumsy,
  plant: () => {
    const inMind = new WeakMap<Transactions, Set<string>>()
    return withEnds((id, end, transactions) => {
      const ids = inMind.get(transactions) ?? new Set()
      inMind.set(transactions, ids)
      if (end !== 'ROLLBACK' || ids.has(id)) return end
      ids.add(id)
      return 'UNKNOWN'
    })
  },
}

/** Lets the first check of each transaction come at another time. */
function withFirstCheck(byMs: number): () => void {
  return replaceMethod(
    Parking.prototype,
    'park',
    (park) =>
      function moved(this: Parking, log, spec, message, wait) {
        const dueTimestamp = spec.dueTimestamp + (spec.kind === 'transaction' ? byMs : 0)
        return park.call(this, log, { ...spec, dueTimestamp }, message, wait)
      },
  )
}

const checkTooEarly: Bug = {
  name: 'check-too-early',
  story: 'Transactions are asked about before their immunity is over.',
  checker: 'transactions',
  withinSeeds: 10,
  needs: isClumsy,
  plant: () => withFirstCheck(-EARLY_MS),
}

const checkTooLate: Bug = {
  name: 'check-too-late',
  story: 'Transactions are asked about some seconds after it is time.',
  checker: 'transactions',
  withinSeeds: 10,
  needs: (profile) => hasTransactions(profile) && profile.isCalm,
  plant: () => withFirstCheck(LATE_MS),
}

const checkForgotten: Bug = {
  name: 'check-forgotten',
  story: 'Transactions of an earlier life are dropped when they are to be checked.',
  checker: 'transactions',
  withinSeeds: 20,
  needs: (profile) => isClumsy(profile) && profile.troubles.crashes >= 2,
  plant: () => {
    let ownIds = new Set<number>()
    const cures = [
      replaceMethod(Store, 'open', (open) => (options) => {
        ownIds = new Set()
        return open.call(Store, options)
      }),
      replaceMethod(
        Parking.prototype,
        'park',
        (park) =>
          async function noted(this: Parking, log, spec, message, wait) {
            const parked = await park.call(this, log, spec, message, wait)
            ownIds.add(parked.alarm.id)
            return parked
          },
      ),
      replaceMethod(
        Transactions.prototype,
        'planCheck',
        (planCheck) =>
          async function forgetful(this: Transactions, alarm) {
            if (!ownIds.has(alarm.id)) return {}
            const plan = await planCheck.call(this, alarm)
            for (const { alarm: next } of plan.parked ?? []) if (next.id !== undefined) ownIds.add(next.id)
            return plan
          },
      ),
    ]
    return () => {
      for (const cure of cures) cure()
    }
  },
}

const anotherGroupAsked: Bug = {
  name: 'another-group-asked',
  story: 'Any producer is asked about any transaction, whatever its group.',
  checker: 'transactions',
  withinSeeds: 20,
  needs: (profile) => isClumsy(profile) && profile.transactions.groupCount > 1,
  plant: () => {
    const { prototype } = TransactionChecks
    const everybody = 'everybody'
    const cures = [
      replaceMethod(
        prototype,
        'join',
        (join) =>
          function mixed(this: TransactionChecks, _, check) {
            return join.call(this, everybody, check)
          },
      ),
      replaceMethod(
        prototype,
        'ask',
        (ask) =>
          function mixed(this: TransactionChecks, _, id) {
            ask.call(this, everybody, id)
          },
      ),
      replaceMethod(
        prototype,
        'drop',
        (drop) =>
          function mixed(this: TransactionChecks, _, id) {
            drop.call(this, everybody, id)
          },
      ),
    ]
    return () => {
      for (const cure of cures) cure()
    }
  },
}

const givenUpDelivered: Bug = {
  name: 'given-up-delivered',
  story: 'What is given up after its last check goes to its queue besides.',
  checker: 'transactions',
  withinSeeds: 20,
  needs: isClumsy,
  plant: () =>
    replaceMethod(
      Store.prototype,
      'commit',
      (commit) =>
        function generous(this: Store, change) {
          const { appends = [], alarmsCleared = [] } = change
          const isGivingUp = appends.some(({ log }) => log.queue.topic === TRANSACTION_CHECK_TOPIC)
          const log = alarmsCleared.map(({ queueUid }) => this.catalog.log(queueUid)).find((each) => each)
          if (!isGivingUp || log === undefined) return commit.call(this, change)
          const messages = appends.flatMap((append) => append.messages)
          return commit.call(this, { ...change, appends: [...appends, { log, messages }] })
        },
    ),
}

const givenUpTooLate: Bug = {
  name: 'given-up-too-late',
  story: 'Two checks more than there may be.',
  checker: 'transactions',
  withinSeeds: 20,
  needs: isClumsy,
  plant: () =>
    replaceMethod(
      Transactions.prototype,
      'planCheck',
      (planCheck) =>
        function patient(this: Transactions, alarm) {
          return planCheck.call(this, { ...alarm, attempt: Math.max(0, alarm.attempt - 2) })
        },
    ),
}

export const TRANSACTION_BUGS: readonly Bug[] = [
  halfSeen,
  committedTwice,
  rolledBackDelivered,
  commitForgotten,
  lateCommitWins,
  checkTooEarly,
  checkTooLate,
  checkForgotten,
  anotherGroupAsked,
  givenUpDelivered,
  givenUpTooLate,
]
