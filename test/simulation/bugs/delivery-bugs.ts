/** Mistakes on the way to listeners: filters, wakes, progress, hand-overs, closing. */
import { Broker } from '../../../src/broker/broker.ts'
import { Locks } from '../../../src/broker/locks.ts'
import { Pull } from '../../../src/broker/pull.ts'
import { OffsetKeeper } from '../../../src/consumer/offset-keeper.ts'
import { ProcessQueue } from '../../../src/consumer/process-queue.ts'
import { PushConsumer } from '../../../src/consumer/push-consumer.ts'
import { matchAll } from '../../../src/model/subscription.ts'
import { OffsetTable } from '../../../src/store/offset-table.ts'
import { Store } from '../../../src/store/store.ts'
import { type Bug, every, replaceGetter, replaceMethod } from './bug.ts'

const offsetBeforeListener: Bug = {
  name: 'offset-before-listener',
  story: 'The offset is committed when messages are fetched, not when they are consumed.',
  checker: 'ack-covers',
  withinSeeds: 10,
  plant: () =>
    replaceGetter(
      ProcessQueue.prototype,
      'committableOffset',
      () =>
        function early(this: ProcessQueue) {
          return this.nextOffset
        },
    ),
}

const messageSkipped: Bug = {
  name: 'message-skipped',
  story: 'Now and then a message that was fetched is dropped without a word.',
  checker: 'ack-covers',
  withinSeeds: 10,
  plant: () => {
    const skips = every(10)
    return replaceMethod(
      ProcessQueue.prototype,
      'append',
      (append) =>
        function skipping(this: ProcessQueue, messages, nextOffset) {
          append.call(this, skips() ? messages.slice(1) : messages, nextOffset)
        },
    )
  },
}

const offsetFalls: Bug = {
  name: 'offset-falls',
  story: 'Now and then a commit sets the offset of a group back.',
  checker: 'offset-monotone',
  withinSeeds: 20,
  plant: () => {
    const falls = every(5)
    return replaceMethod(
      Store.prototype,
      'commit',
      (commit) =>
        function falling(this: Store, change) {
          const offsets = (change.offsets ?? []).map((each) =>
            each.offset > 2 && falls() ? { ...each, offset: each.offset - 2, mayGoBack: true } : each,
          )
          return commit.call(this, change.offsets === undefined ? change : { ...change, offsets })
        },
    )
  },
}

const offsetsShared: Bug = {
  name: 'offsets-shared',
  story: 'When a group commits an offset, other groups that know the queue get it too.',
  checker: 'group-independence',
  withinSeeds: 10,
  plant: () =>
    replaceMethod(
      OffsetTable.prototype,
      'set',
      (set) =>
        function shared(this: OffsetTable, groupUid, queueUid, offset) {
          for (const [other, queue] of [...this.entries()])
            if (queue === queueUid && other !== groupUid) set.call(this, other, queueUid, offset)
          set.call(this, groupUid, queueUid, offset)
        },
    ),
}

const filterOpen: Bug = {
  name: 'filter-open',
  story: 'Some pulls find messages whatever their tag.',
  checker: 'filter',
  withinSeeds: 10,
  plant: () => {
    const isOpen = every(4)
    return replaceMethod(
      Broker.prototype,
      'pullMessage',
      (pull) =>
        function open(this: Broker, request) {
          return pull.call(this, isOpen() ? { ...request, filter: matchAll } : request)
        },
    )
  },
}

const filterGreedy: Bug = {
  name: 'filter-greedy',
  story: 'Some messages that a group wants are filtered out.',
  checker: 'filter',
  withinSeeds: 10,
  plant: () =>
    replaceMethod(
      Broker.prototype,
      'pullMessage',
      (pull) =>
        async function greedy(this: Broker, request) {
          const result = await pull.call(this, request)
          const messages = result.messages.filter(({ queueOffset }) => queueOffset % 9 !== 8)
          const status = messages.length === 0 && result.status === 'FOUND' ? 'NO_MATCHED_MSG' : result.status
          return { ...result, status, messages }
        },
    ),
}

const wakeLost: Bug = {
  name: 'wake-lost',
  story: 'Some pulls that wait are not woken by what is appended.',
  checker: 'liveness',
  withinSeeds: 10,
  plant: () => {
    const isLost = every(3)
    return replaceMethod(
      Pull.prototype,
      'wake',
      (wake) =>
        function asleep(this: Pull, log) {
          if (!isLost()) wake.call(this, log)
        },
    )
  },
}

const leaseShared: Bug = {
  name: 'lease-shared',
  story: 'Whoever asks for a queue gets it, also when somebody else has it.',
  checker: 'assignment',
  withinSeeds: 10,
  plant: () =>
    replaceMethod(
      Locks.prototype,
      'lock',
      (lock) =>
        function generous(this: Locks, group, clientId, queues) {
          lock.call(this, group, clientId, queues)
          return queues
        },
    ),
}

const releasedWhileBusy: Bug = {
  name: 'released-while-busy',
  story: 'A member gives a queue back while its listeners are at work on it.',
  checker: 'assignment',
  withinSeeds: 20,
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

const releasedBeforeCommit: Bug = {
  name: 'released-before-commit',
  story: 'A member gives a queue back without committing how far it came.',
  checker: 'assignment',
  withinSeeds: 40,
  plant: () =>
    replaceMethod(
      OffsetKeeper.prototype,
      'close',
      () =>
        async function careless(this: OffsetKeeper) {
          this.discard()
        },
    ),
}

const closeIgnored: Bug = {
  name: 'close-ignored',
  story: 'A consumer that closed goes on.',
  checker: 'liveness',
  withinSeeds: 10,
  plant: () =>
    replaceMethod(
      PushConsumer.prototype,
      'close',
      () => () => Promise.resolve({ drained: true, unfinishedCount: 0 }),
    ),
}

export const DELIVERY_BUGS: readonly Bug[] = [
  offsetBeforeListener,
  messageSkipped,
  offsetFalls,
  offsetsShared,
  filterOpen,
  filterGreedy,
  wakeLost,
  leaseShared,
  releasedWhileBusy,
  releasedBeforeCommit,
  closeIgnored,
]
