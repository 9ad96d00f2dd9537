/** Mistakes with what simple consumers receive: given twice, acknowledged in vain, visible too soon. */
import { Pop } from '../../../src/broker/pop.ts'
import { PopReceipts } from '../../../src/broker/pop-receipts.ts'
import { PopSettlement } from '../../../src/broker/pop-settlement.ts'
import { Store } from '../../../src/store/store.ts'
import { type Bug, every, replaceMethod } from './bug.ts'

const poppedTwice: Bug = {
  name: 'popped-twice',
  story: 'Some messages are received, and the offset of the group does not move.',
  checker: 'lease',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'simple'),
  plant: () => {
    const stays = every(5)
    return replaceMethod(
      Store.prototype,
      'commit',
      (commit) =>
        function staying(this: Store, change) {
          const isPop = change.alarmsPut?.some(({ kind }) => kind === 'pop') === true
          const hasMoved = (change.offsets ?? []).length > 0
          return commit.call(this, isPop && hasMoved && stays() ? { ...change, offsets: [] } : change)
        },
    )
  },
}

const ackForgotten: Bug = {
  name: 'ack-forgotten',
  story: 'Some acknowledgements do not clear the alarm that makes their message visible again.',
  checker: 'lease',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'simple'),
  plant: () => {
    const isForgotten = every(4)
    return replaceMethod(
      PopSettlement.prototype,
      'ack',
      (ack) =>
        function forgetful(this: PopSettlement, alarm, receipt) {
          return isForgotten() ? this : ack.call(this, alarm, receipt)
        },
    )
  },
}

const voidHandleAccepted: Bug = {
  name: 'void-handle-accepted',
  story: 'An acknowledgement is answered with success although its handle counts no more.',
  checker: 'lease',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'simple'),
  plant: () =>
    replaceMethod(
      PopReceipts.prototype,
      'ack',
      (ack) =>
        async function polite(this: PopReceipts, group, handles) {
          await ack.call(this, group, handles)
          return []
        },
    ),
}

const visibleTooSoon: Bug = {
  name: 'visible-too-soon',
  story: 'What is received is invisible half as long as was asked for.',
  checker: 'lease',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'simple'),
  plant: () =>
    replaceMethod(
      Pop.prototype,
      'popMessage',
      (pop) =>
        function short(this: Pop, request) {
          const invisibleDurationMs = Math.ceil(request.invisibleDurationMs / 2)
          return pop.call(this, { ...request, invisibleDurationMs })
        },
    ),
}

const nackAtOnce: Bug = {
  name: 'nack-at-once',
  story: 'What is given back is visible at once, whatever the retry policy says.',
  checker: 'lease',
  withinSeeds: 20,
  needs: ({ groups }) => groups.some(({ kind }) => kind === 'simple'),
  plant: () =>
    replaceMethod(
      PopReceipts.prototype,
      'nack',
      () =>
        function hasty(this: PopReceipts, group, handle) {
          return this.change(group, handle, 0)
        },
    ),
}

export const POP_BUGS: readonly Bug[] = [
  poppedTwice,
  ackForgotten,
  voidHandleAccepted,
  visibleTooSoon,
  nackAtOnce,
]
