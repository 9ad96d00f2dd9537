/** Mistakes of single members: offsets that broadcasting members share, polls that commit too early, seeks that do nothing, filters. */
import { BroadcastOffsets } from '../../../src/broker/broadcast-offsets.ts'
import { BroadcastFailures } from '../../../src/consumer/broadcast-failures.ts'
import { LiteQueue } from '../../../src/consumer/lite-queue.ts'
import { SqlFilter } from '../../../src/model/sql/sql-filter.ts'
import { type Bug, every, replaceMethod } from './bug.ts'

const memberOffsetsShared: Bug = {
  name: 'member-offsets-shared',
  story: 'The members of a broadcasting group have one offset for all.',
  checker: 'broadcasting',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'broadcasting'),
  plant: () =>
    replaceMethod(
      BroadcastOffsets.prototype,
      'entry',
      (entry) =>
        function shared(this: BroadcastOffsets, group, clientId) {
          return this.entries(group)[0] ?? entry.call(this, group, clientId)
        },
    ),
}

const droppedUntold: Bug = {
  name: 'dropped-untold',
  story: 'A broadcasting member gives up some messages that it failed to consume, and tells nobody.',
  checker: 'ack-covers',
  withinSeeds: 40,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'broadcasting'),
  plant: () => {
    const isUntold = every(2)
    return replaceMethod(
      BroadcastFailures.prototype,
      'fail',
      (fail) =>
        function silent(this: BroadcastFailures, queue, sequence, delayLevel, reason) {
          if (isUntold()) queue.finish(sequence)
          else fail.call(this, queue, sequence, delayLevel, reason)
        },
    )
  },
}

const pollCommitsEarly: Bug = {
  name: 'poll-commits-early',
  story: 'What a poll hands out is committed at once, not when the application comes back.',
  checker: 'ack-covers',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'lite'),
  plant: () =>
    replaceMethod(
      LiteQueue.prototype,
      'take',
      (take) =>
        function early(this: LiteQueue, maxCount) {
          const handout = take.call(this, maxCount)
          if (handout === undefined) return undefined
          this.finish(handout)
          this.commitProgress()
          return handout
        },
    ),
}

const seekIgnored: Bug = {
  name: 'seek-ignored',
  story: 'Some seeks of lite pull consumers do nothing.',
  checker: 'lite-pull',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'lite'),
  plant: () => {
    const isIgnored = every(2)
    return replaceMethod(
      LiteQueue.prototype,
      'seek',
      (seek) =>
        function deaf(this: LiteQueue, offset) {
          if (!isIgnored()) seek.call(this, offset)
        },
    )
  },
}

const unknownPasses: Bug = {
  name: 'unknown-passes',
  story: 'A message passes an SQL filter that says neither yes nor no to it.',
  checker: 'filter',
  withinSeeds: 40,
  plant: () => {
    const negations = new Map<string, SqlFilter>()
    return replaceMethod(
      SqlFilter.prototype,
      'matches',
      (matches) =>
        function generous(this: SqlFilter, read) {
          const { expression } = this
          const negation = negations.get(expression) ?? new SqlFilter(`NOT (${expression})`)
          negations.set(expression, negation)
          return matches.call(this, read) || !matches.call(negation, read)
        },
    )
  },
}

export const MEMBER_BUGS: readonly Bug[] = [
  memberOffsetsShared,
  droppedUntold,
  pollCommitsEarly,
  seekIgnored,
  unknownPasses,
]
