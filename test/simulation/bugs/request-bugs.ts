/** Mistakes with requests: replies that go astray, come too late or get lost, and senders of replies who are told something else. */
import { Requests as PassedOn } from '../../../src/broker/requests.ts'
import type { MessageView } from '../../../src/model/message.ts'
import { PropertyName } from '../../../src/model/properties.ts'
import { Requests } from '../../../src/producer/requests.ts'
import type { Profile } from '../model/profile.ts'
import { type Bug, every, replaceMethod } from './bug.ts'

const LATE_FACTOR = 4

function hasRequests({ requests }: Profile): boolean {
  return requests.weight > 0
}

function isClumsy(profile: Profile): boolean {
  return hasRequests(profile) && profile.requests.clumsiness > 0
}

const replyAstray: Bug = {
  name: 'reply-astray',
  story: 'Some requests get the reply to the one before.',
  checker: 'replies',
  withinSeeds: 10,
  needs: hasRequests,
  plant: () => {
    const isAstray = every(3)
    const former = new WeakMap<Requests, MessageView>()
    return replaceMethod(
      Requests.prototype,
      'take',
      (take) =>
        function confused(this: Requests, id, reply) {
          const other = former.get(this)
          former.set(this, reply)
          return take.call(this, id, other !== undefined && isAstray() ? other : reply)
        },
    )
  },
}

const lateReplyAccepted: Bug = {
  name: 'late-reply-accepted',
  story: 'A request waits for its reply longer than it was told to.',
  checker: 'replies',
  withinSeeds: 10,
  needs: hasRequests,
  plant: () =>
    replaceMethod(
      Requests.prototype,
      'run',
      (run) =>
        function patient(this: Requests, wish, send) {
          const { TTL } = PropertyName
          const longer = { ...wish, timeoutMs: wish.timeoutMs * LATE_FACTOR }
          return run.call(this, longer, (properties) =>
            send(properties.map(([name, value]) => [name, name === TTL ? String(wish.timeoutMs) : value])),
          )
        },
    ),
}

const replyLost: Bug = {
  name: 'reply-lost',
  story: 'Some replies are taken, and the request hears of nothing.',
  checker: 'replies',
  withinSeeds: 10,
  needs: hasRequests,
  plant: () => {
    const isLost = every(3)
    return replaceMethod(
      Requests.prototype,
      'take',
      (take) =>
        function careless(this: Requests, id, reply) {
          return isLost() || take.call(this, id, reply)
        },
    )
  },
}

const dropUntold: Bug = {
  name: 'drop-untold',
  story: 'Whose reply is too late is told that it has arrived.',
  checker: 'replies',
  withinSeeds: 10,
  needs: isClumsy,
  plant: () =>
    replaceMethod(
      PassedOn.prototype,
      'sendReply',
      (sendReply) =>
        async function polite(this: PassedOn, request) {
          await sendReply.call(this, request)
          return 'DELIVERED'
        },
    ),
}

const requesterGoneUntold: Bug = {
  name: 'requester-gone-untold',
  story: 'A reply to a producer that is gone is taken, and dropped.',
  checker: 'replies',
  withinSeeds: 20,
  needs: hasRequests,
  plant: () =>
    replaceMethod(
      PassedOn.prototype,
      'sendReply',
      (sendReply) =>
        function silent(this: PassedOn, request) {
          return sendReply.call(this, request).catch(() => 'DROPPED' as const)
        },
    ),
}

export const REQUEST_BUGS: readonly Bug[] = [
  replyAstray,
  lateReplyAccepted,
  replyLost,
  dropUntold,
  requesterGoneUntold,
]
