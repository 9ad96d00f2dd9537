/** Engines that are broken for members of groups: order, leases, attempts, broadcasting, allocation. */
import type { Engine, FailedAttempts } from '../../src/model/engine.ts'
import { queueKey } from '../../src/model/message-queue.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

const HAND_OVER = 'Order at hand-over and restart'
const ATTEMPTS = 'Attempts that are remembered'
const MEMBERS = 'Offsets of broadcasting members'

/** Stores offsets a while after it said so. */
function commitLate(next: Engine): Partial<Engine> {
  return {
    updateConsumerOffset: async (...update) => {
      next.clock.setTimer(50, () => void next.updateConsumerOffset(...update).catch(() => undefined))
    },
  }
}

/** Remembers attempts as RocketMQ's clients do: as long as it lives. */
function forgetfulAtRestart(next: Engine): Partial<Engine> {
  const remembered = new Map<string, readonly FailedAttempts[]>()
  return {
    queryAttempts: async (group, queue) => remembered.get(`${group}@${queueKey(queue)}`) ?? [],
    updateAttempts: async (group, queue, attempts) => {
      await next.queryConsumerOffset(group, queue)
      remembered.set(`${group}@${queueKey(queue)}`, attempts)
    },
  }
}

/** What was said once lasts, whatever becomes of the message. */
function unforgetting(next: Engine): Partial<Engine> {
  const before = forgetfulAtRestart(next)
  return {
    ...before,
    updateAttempts: async (...update) => {
      await next.updateAttempts(...update)
      await before.updateAttempts!(...update)
    },
  }
}

export const BROKEN_MEMBERS: readonly BrokenEngine[] = [
  [
    'grants a lease to two members',
    HAND_OVER,
    'A queue changes hands when its listener has settled, not before',
    () => ({ lockQueues: async (_group, _clientId, queues) => queues }),
  ],
  [
    'grants a lease to whoever asks last',
    HAND_OVER,
    'A listener that takes longer than a lease lasts keeps its queue',
    (next) => ({
      lockQueues: async (group, clientId, queues) => {
        for (const id of await next.queryConsumerIds(group))
          if (id !== clientId) await next.unlockQueues(group, id, queues)
        return next.lockQueues(group, clientId, queues)
      },
    }),
  ],
  [
    'takes a lease back and loses the offset',
    HAND_OVER,
    'The offset is stored before the lease is given back',
    commitLate,
  ],
  [
    'keeps leases for ever',
    'Subscriptions at run time, and members that disagree',
    'A member that unsubscribes finishes what runs, and gives its queues back',
    () => ({ unlockQueues: async () => undefined }),
  ],
  [
    'forgets attempts when a queue changes hands',
    HAND_OVER,
    'Attempts go on counting where a queue changes hands',
    () => ({ queryAttempts: async () => [] }),
  ],
  ['forgets attempts at a restart', HAND_OVER, 'Attempts go on counting after a restart', forgetfulAtRestart],
  [
    'counts no attempts from before a kill, so that a maximum bounds nothing',
    HAND_OVER,
    'A maximum counts the attempts from before a kill too',
    forgetfulAtRestart,
  ],
  [
    'remembers attempts for ever',
    ATTEMPTS,
    'They last until the offset of the group has passed the message',
    unforgetting,
  ],
  ['remembers attempts over a reset', ATTEMPTS, 'A reset to 2 ends those of the message at 2', unforgetting],
  [
    'gives messages in another order than that of their offsets',
    'Ordered consumption',
    'The messages of a queue are delivered in the order of their offsets',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        return { ...result, messages: result.messages.toReversed() }
      },
    }),
  ],
  [
    'retries what should become a dead letter at once',
    'Failures in order',
    'With maxReconsumeTimes 0 a message that holds its queue becomes a dead letter at failure 1',
    (next) => ({
      sendMessageBack: (request) =>
        next.sendMessageBack({ ...request, delayLevel: 0, maxReconsumeTimes: 16 }),
    }),
  ],
  [
    'shares the offsets of broadcasting members',
    MEMBERS,
    'Each member has its own offsets, and the group has none',
    (next) => ({
      queryConsumerOffset: (group, queue) => next.queryConsumerOffset(group, queue),
      updateConsumerOffset: (group, queue, offset, mayGoBack) =>
        next.updateConsumerOffset(group, queue, offset, mayGoBack),
    }),
  ],
  [
    'shares the offsets of broadcasting members, which a late one shows',
    'Broadcasting',
    'A member that is there gets what is sent next, wherever it starts',
    (next) => ({
      queryConsumerOffset: async (group, queue) => (await next.queryConsumerOffset(group, queue)) ?? 0,
    }),
  ],
  [
    'forgets who a broadcasting member was',
    MEMBERS,
    'A member with a name goes on where it stopped',
    (next) => ({
      registerConsumer: (registration) => next.registerConsumer({ ...registration, isNamed: false }),
    }),
  ],
  [
    'resets the offset of the group only',
    MEMBERS,
    'A reset reaches a member that is away',
    (next) => ({
      resetConsumerOffset: async (group, topic, offsets) => {
        const { readQueues } = await next.queryRoute(topic)
        for (const queue of readQueues)
          await next.updateConsumerOffset(group, queue, offsets.get(queue.queueId) ?? 0, true)
      },
    }),
  ],
  [
    'lets broadcasting members share their work',
    'Failures of broadcasting members',
    'What a member drops is no dead letter, and makes no topic',
    (next) => ({
      registerConsumer: (registration) =>
        next.registerConsumer({ ...registration, messageModel: 'clustering' }),
    }),
  ],
  [
    'lists members as they came',
    'What members get',
    'AVG, 8 queues and 2 members: 0,1,2,3 | 4,5,6,7',
    (next) => ({ queryConsumerIds: async (group) => (await next.queryConsumerIds(group)).toReversed() }),
  ],
  [
    'tells nobody who comes and goes',
    'Allocation strategies',
    'Surplus members idle, and one takes over as soon as another leaves',
    (next) => ({
      watch: (listener) => next.watch((event) => event.type !== 'consumer-ids-changed' && listener(event)),
    }),
  ],
  [
    'gives more messages than a pull asked for',
    'Settings of push consumers',
    'A pull brings up to 10 messages when told so',
    (next) => ({
      pullMessage: (request) => next.pullMessage({ ...request, maxCount: 4 * request.maxCount }),
    }),
  ],
  [
    'does not look at the modes of members',
    'Subscriptions at run time, and members that disagree',
    'A member that has another mode than the others of its group is told as a warning',
    (next) => ({
      registerConsumer: (registration) => next.registerConsumer({ ...registration, mode: undefined }),
    }),
  ],
  [
    'drops what is sent back',
    'Listeners that misbehave',
    'A listener that throws a text has failed, once',
    () => ({
      sendMessageBack: async ({ message }) => ({
        outcome: 'dead-letter',
        reconsumeTimes: message.reconsumeTimes + 1,
      }),
    }),
  ],
]
