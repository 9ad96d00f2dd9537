/** Engines that are broken for consumers that the application asks for messages: filters, pulls, receives, offsets. */
import type { Engine, PopVerbs, PullRequest } from '../../src/model/engine.ts'
import { type SqlFilter, sql } from '../../src/model/sql/sql-filter.ts'
import { defaultGroupConfig } from '../../src/model/topic.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

function brokenPop(next: Engine, verbs: (pop: PopVerbs) => Partial<PopVerbs>): Partial<Engine> {
  const pop = next.pop!
  return { pop: overlay(pop, verbs(pop)) }
}

/** A filter to which unknown is as good as true. */
function trusting(filter: SqlFilter): SqlFilter {
  const unknown = sql(`(${filter.expression}\n) IS NULL`)
  return overlay(filter, {
    matches: (read: Parameters<SqlFilter['matches']>[0]) => filter.matches(read) || unknown.matches(read),
  })
}

function pullTrusting(next: Engine, { filter, ...request }: PullRequest) {
  return next.pullMessage({ ...request, filter: filter.type === 'SQL92' ? trusting(filter) : filter })
}

/** Answers once more what was received last when there is nothing new. */
function repeatedly(pop: PopVerbs): Partial<PopVerbs> {
  let last: Awaited<ReturnType<PopVerbs['popMessage']>> = []
  return {
    popMessage: async (request) => {
      const popped = await pop.popMessage(request)
      if (popped.length > 0) last = popped
      return last
    },
  }
}

/** The handle stays the same whatever becomes of the message. */
function withOneHandle(pop: PopVerbs): Partial<PopVerbs> {
  const latest = new Map<string, string>()
  const of = (handle: string): string => latest.get(handle) ?? handle
  return {
    changeInvisibleDuration: async (group, handle, durationMs) => {
      const receipt = await pop.changeInvisibleDuration(group, of(handle), durationMs)
      latest.set(handle, receipt.receiptHandle)
      return { ...receipt, receiptHandle: handle }
    },
    ackMessage: (group, handle) => pop.ackMessage(group, of(handle)),
    ackMessages: (group, handles) => pop.ackMessages(group, handles.map(of)),
  }
}

export const BROKEN_RECEIVERS: readonly BrokenEngine[] = [
  [
    'takes unknown for true in SQL filters',
    'SQL filters',
    'A comparison with a missing property is unknown, and so is what is opposite to it',
    (next) => ({ pullMessage: (request) => pullTrusting(next, request) }),
  ],
  [
    'says OFFSET_ILLEGAL without a correction',
    'Pull consumers',
    'Behind the end a pull answers OFFSET_ILLEGAL and goes on at the end',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        return result.status === 'OFFSET_ILLEGAL' ? { ...result, nextBeginOffset: request.offset } : result
      },
    }),
  ],
  [
    'never lets the application set an offset back',
    'Lite pull consumers: queues and positions',
    'A seek commits nothing, but the next commit may go back',
    (next) => ({
      updateConsumerOffset: (group, queue, offset) => next.updateConsumerOffset(group, queue, offset),
    }),
  ],
  [
    'gives leases to everybody, which polls show',
    'Lite pull consumers: queues and positions',
    'A queue changes hands when the application comes back, and nothing comes twice',
    () => ({ lockQueues: async (_group, _clientId, queues) => queues }),
  ],
  [
    'gives what was received to others too',
    'Simple consumers: what is received',
    'What a member has received nobody else gets as long as it is invisible',
    (next) => brokenPop(next, repeatedly),
  ],
  [
    'forgets acknowledgements',
    'Simple consumers: acknowledgements and retries',
    'What was acknowledged never comes again',
    (next) => brokenPop(next, () => ({ ackMessages: async () => [] })),
  ],
  [
    'takes acknowledgements that come too late, as a broker of RocketMQ does',
    'Simple consumers: acknowledgements and retries',
    'When the time of a message is over its handle is refused, and does nothing to the next delivery',
    (next) =>
      brokenPop(next, (pop) => ({
        ackMessages: async (group, handles) => {
          await pop.ackMessages(group, handles)
          return []
        },
      })),
  ],
  [
    'keeps the handle when the invisible duration is changed',
    'Simple consumers: acknowledgements and retries',
    'Another invisible duration is a new handle, and the old one is dead',
    (next) => brokenPop(next, withOneHandle),
  ],
  [
    'makes every message that is given back wait for a second, as the first of a RocketMQ client',
    'Simple consumers: acknowledgements and retries',
    'Giving a message back makes it wait 10 s, 30 s, 1 min and so on up to 2 h, 16 times',
    (next) =>
      brokenPop(next, (pop) => ({
        nackMessage: (group, handle) => pop.changeInvisibleDuration(group, handle, 1000),
      })),
  ],
  [
    'never gives a message up that is not acknowledged',
    'Simple consumers: last attempts and restarts',
    'A message that is never acknowledged is delivered 17 times, and is a dead letter then',
    (next) => ({
      registerConsumer: async (registration) => {
        await next.registerConsumer(registration)
        await next.createGroup({ ...defaultGroupConfig(registration.group), retryMaxTimes: 1000 })
      },
    }),
  ],
  [
    'takes a FIFO group for any other',
    'Simple consumers: FIFO groups',
    'As long as something of a queue is not acknowledged, nobody gets more of it',
    (next) => ({ createGroup: (config) => next.createGroup({ ...config, consumeMessageOrderly: false }) }),
  ],
  [
    'tells nobody that an offset was reset',
    'Resets while consumers run',
    'A reset goes back while a lite pull consumer runs, and behind the end',
    (next) => ({
      watch: (listener) =>
        next.watch((event) => {
          if (event.type !== 'offset-reset') listener(event)
        }),
    }),
  ],
  [
    'never sets the offset of a group back from outside',
    'Cloning and skipping',
    'Cloning moves a group that runs, forward and back',
    (next) => ({
      resetConsumerOffset: async (group, topic, offsets) => {
        const status = await next.queryTopicStatus(topic)
        const known = status.map(async ({ queue }) => {
          const offset = await next.queryConsumerOffset(group, queue)
          return [queue.queueId, Math.max(offset ?? 0, offsets.get(queue.queueId) ?? 0)] as const
        })
        await next.resetConsumerOffset(group, topic, new Map(await Promise.all(known)))
      },
    }),
  ],
]
