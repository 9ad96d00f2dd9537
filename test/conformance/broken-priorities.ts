/** Engines that are broken for priorities: where messages go, and in which order they are received. */
import type { Engine, PopRequest } from '../../src/model/engine.ts'
import type { TopicRoute } from '../../src/model/results.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

const SENDING = 'Priorities'
const CONSUMING = 'Priorities: what is consumed first'

/** Makes an ordinary topic of each that is sent to, and tells producers that it is a priority topic. */
function pretend(next: Engine): Partial<Engine> {
  return {
    publishRoute: async (topic): Promise<TopicRoute> => {
      const config = (await next.queryTopics()).find((each) => each.topic === topic)
      if (config?.priority === true) await next.updateTopic({ ...config, priority: undefined })
      return { ...(await next.publishRoute(topic)), priority: true }
    },
  }
}

/** A receive takes all that it can get, and hands out the least urgent of it first. */
function receiveUpsideDown(next: Engine): Partial<Engine> {
  const pop = next.pop!
  const popMessage = async (request: PopRequest) => (await pop.popMessage(request)).toReversed()
  return { pop: overlay(pop, { popMessage }) }
}

export const BROKEN_PRIORITIES: readonly BrokenEngine[] = [
  [
    'takes a priority topic for any other when it is sent to',
    SENDING,
    'A message goes to the queue of its priority',
    (next) => ({
      publishRoute: async (topic) => ({ ...(await next.publishRoute(topic)), priority: undefined }),
    }),
  ],
  [
    'takes every topic for a priority topic',
    SENDING,
    'In an ordinary topic it changes neither queue nor order',
    (next) => ({ publishRoute: async (topic) => ({ ...(await next.publishRoute(topic)), priority: true }) }),
  ],
  [
    'forgets that a topic is a priority topic',
    SENDING,
    'A topic may become one, and stop to be one',
    (next) => ({ updateTopic: (config) => next.updateTopic({ ...config, priority: undefined }) }),
  ],
  ['looks at the queues of a priority topic in turn', CONSUMING, 'So do receives one after another', pretend],
  [
    'gives back what was not acknowledged in any order',
    CONSUMING,
    'What was not acknowledged comes back by its priority',
    pretend,
  ],
  [
    'hands out the least urgent first',
    CONSUMING,
    'A receive begins with what is most urgent',
    receiveUpsideDown,
  ],
  [
    'does not tell consumers that a topic is a priority topic',
    CONSUMING,
    'A busy push consumer goes on with what is most urgent',
    (next) => ({
      queryRoute: async (topic) => ({ ...(await next.queryRoute(topic)), priority: undefined }),
    }),
  ],
]
