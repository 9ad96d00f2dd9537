/** Engines that are broken for message groups: their queues, their order, and what is done behind a message that is not. */
import type { Engine, FailedAttempts, SendRequest } from '../../src/model/engine.ts'
import { queueKey } from '../../src/model/message-queue.ts'
import type { TopicRoute } from '../../src/model/results.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

/** Tells producers of other routes. */
function routing(change: (route: TopicRoute) => TopicRoute): (next: Engine) => Partial<Engine> {
  return (next) => ({ publishRoute: async (topic) => change(await next.publishRoute(topic)) })
}

/** Stores every second send a while later. */
function sendUnevenly(next: Engine): Partial<Engine> {
  let count = 0
  const sendLater = async (request: SendRequest) => {
    await next.queryTopics()
    return next.sendMessage(request)
  }
  return {
    sendMessage: (request) => (++count % 2 === 0 ? sendLater(request) : next.sendMessage(request)),
  }
}

/** Remembers what is done behind other messages whatever becomes of the offset. */
function rememberDone(next: Engine): Partial<Engine> {
  const done = new Map<string, FailedAttempts[]>()
  return {
    updateAttempts: async (group, queue, attempts, clientId) => {
      await next.updateAttempts(group, queue, attempts, clientId)
      const key = `${group}@${queueKey(queue)}`
      const added = attempts.filter(({ reconsumeTimes }) => reconsumeTimes === 0)
      done.set(key, [...(done.get(key) ?? []), ...added])
    },
    queryAttempts: async (group, queue) => done.get(`${group}@${queueKey(queue)}`) ?? [],
  }
}

export const BROKEN_GROUPS: readonly BrokenEngine[] = [
  [
    'lists the queues of a topic in another order',
    'Message groups',
    'Of 4 queues a message group takes the one that it takes in Java',
    routing((route) => ({ ...route, writeQueues: route.writeQueues.toReversed() })),
  ],
  [
    'lets a send overtake another',
    'Message groups',
    'Sends of a group that run at a time are stored in the order of the calls',
    sendUnevenly,
  ],
  [
    'loses the groups of messages',
    'Message groups',
    'A message shows its group, and not among its properties',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        const messages = result.messages.map((message) => overlay(message, { messageGroup: undefined }))
        return { ...result, messages }
      },
    }),
  ],
  [
    'takes an order topic for any other',
    'Order topics',
    'What belongs to a queue that takes no messages is refused, and the rest stays where it was',
    routing((route) => ({ ...route, orderQueues: undefined })),
  ],
  [
    'lets an order topic choose from its new queues, as RocketMQ does when it is told to',
    'Order topics',
    'More queues send nothing elsewhere',
    (next) => ({
      updateTopic: async (config) => {
        await next.updateTopic({ ...config, order: false })
        await next.updateTopic(config)
      },
    }),
  ],
  [
    'forgets what is done behind a message that is not',
    'Message groups at hand-over and restart',
    'A queue changes hands when all that runs has settled, and repeats nothing',
    (next) => ({
      updateAttempts: async (group, queue, attempts, clientId) => {
        const failed = attempts.filter(({ reconsumeTimes }) => reconsumeTimes > 0)
        await next.updateAttempts(group, queue, failed, clientId)
      },
    }),
  ],
  [
    'takes for done what was done before a reset',
    'Message groups at hand-over and restart',
    'A reset delivers again also what was done behind others',
    rememberDone,
  ],
  [
    'gives leases to everybody, which message groups show',
    'Message groups at hand-over and restart',
    'Nothing of a group overtakes while members come and go',
    () => ({ lockQueues: async (_group, _clientId, queues) => queues }),
  ],
  [
    'commits what is not done',
    'Message groups at the same time',
    'The committed offset is that of the first message that is not done',
    (next) => ({
      updateConsumerOffset: async (group, queue) =>
        next.updateConsumerOffset(group, queue, await next.maxOffset(queue)),
    }),
  ],
]
