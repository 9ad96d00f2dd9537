/** Engines that are broken for delayed messages. */
import type { DelayVerbs } from '../../src/model/delay-verbs.ts'
import type { Engine } from '../../src/model/engine.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

function brokenDelay(next: Engine, verbs: (delay: DelayVerbs) => Partial<DelayVerbs>): Partial<Engine> {
  const delay = next.delay!
  return { delay: overlay(delay, verbs(delay)) }
}

/** Delivers so much later than asked, or earlier. */
function shifted(next: Engine, byMs: number): Partial<Engine> {
  return brokenDelay(next, (delay) => ({
    sendDelayedMessage: (request, when) => {
      if (!('deliveryTimestamp' in when)) return delay.sendDelayedMessage(request, when)
      return delay.sendDelayedMessage(request, { deliveryTimestamp: when.deliveryTimestamp + byMs })
    },
  }))
}

const DELAYED = 'Delayed messages'
const RECALLING = 'Recalling and moving delayed messages'

export const BROKEN_DELAYS: readonly BrokenEngine[] = [
  [
    'delays nothing',
    DELAYED,
    'Level 1 delivers after 1s',
    (next) => brokenDelay(next, () => ({ sendDelayedMessage: (request) => next.sendMessage(request) })),
  ],
  [
    'counts levels from 0',
    DELAYED,
    'Level 5 delivers after 1m',
    (next) =>
      brokenDelay(next, (delay) => ({
        sendDelayedMessage: (request, when) =>
          delay.sendDelayedMessage(
            request,
            'delayTimeLevel' in when ? { delayTimeLevel: when.delayTimeLevel + 1 } : when,
          ),
      })),
  ],
  [
    'takes a level above the last for the last, as RocketMQ does',
    DELAYED,
    'A level above the last one is refused, and nothing is kept',
    (next) =>
      brokenDelay(next, (delay) => ({
        sendDelayedMessage: (request, when) =>
          delay.sendDelayedMessage(
            request,
            'delayTimeLevel' in when ? { delayTimeLevel: Math.min(18, when.delayTimeLevel) } : when,
          ),
      })),
  ],
  [
    'delivers a millisecond early',
    DELAYED,
    'A message with a deliveryTimestamp comes at that time, and not before',
    (next) => shifted(next, -1),
  ],
  [
    'delivers at full seconds only, as RocketMQ does',
    DELAYED,
    'It comes in the millisecond that was asked for',
    (next) =>
      brokenDelay(next, (delay) => ({
        sendDelayedMessage: (request, when) =>
          delay.sendDelayedMessage(
            request,
            'deliveryTimestamp' in when
              ? { deliveryTimestamp: Math.ceil(when.deliveryTimestamp / 1000) * 1000 }
              : when,
          ),
      })),
  ],
  [
    'knows no bound',
    DELAYED,
    'A time may lie three days ahead, and not more',
    (next) =>
      brokenDelay(next, (delay) => ({
        sendDelayedMessage: (request, when) => {
          if (!('deliveryTimestamp' in when)) return delay.sendDelayedMessage(request, when)
          const latest = next.clock.now() + 3 * 86_400_000
          return delay.sendDelayedMessage(request, {
            deliveryTimestamp: Math.min(latest, when.deliveryTimestamp),
          })
        },
      })),
  ],
  [
    'gives every delayed message to the first queue',
    DELAYED,
    'It comes to the queue that it was sent to',
    (next) =>
      brokenDelay(next, (delay) => ({
        sendDelayedMessage: (request, when) =>
          delay.sendDelayedMessage({ ...request, queue: { ...request.queue, queueId: 0 } }, when),
      })),
  ],
  [
    'forgets the born time',
    DELAYED,
    'What comes is what was sent, under the same id',
    (next) =>
      brokenDelay(next, (delay) => ({
        sendDelayedMessage: (request, when) =>
          delay.sendDelayedMessage({ ...request, messages: { ...request.messages, bornTimestamp: 1 } }, when),
      })),
  ],
  [
    'answers a recall without recalling',
    RECALLING,
    'What is recalled never comes, and its id is answered',
    (next) =>
      brokenDelay(next, (delay) => ({
        recallMessage: async (topic) =>
          (
            await delay.queryDelayedMessages({ topic, begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 1 })
          )[0]!.message.messageId,
      })),
  ],
  [
    'says that everything was recalled, as RocketMQ does',
    RECALLING,
    'A recall after the delivery is refused',
    (next) =>
      brokenDelay(next, (delay) => ({
        recallMessage: (topic, handle) => delay.recallMessage(topic, handle).catch(() => 'a message id'),
      })),
  ],
  [
    'recalls for any topic',
    RECALLING,
    'A handle is good for its own topic only',
    (next) =>
      brokenDelay(next, (delay) => ({ recallMessage: (_, handle) => delay.recallMessage('orders', handle) })),
  ],
  [
    'keeps the old time of what is moved',
    RECALLING,
    'A message that comes in 1m can be moved to 10s',
    (next) => brokenDelay(next, () => ({ rescheduleMessage: async (_, handle) => handle })),
  ],
  [
    'shows the old time of what is moved',
    RECALLING,
    'What was moved shows the time that it was moved to',
    (next) =>
      brokenDelay(next, (delay) => ({
        queryDelayedMessages: async (query) => {
          const found = await delay.queryDelayedMessages(query)
          return found.map((each) => ({ ...each, message: overlay(each.message, { deliveryTimestamp: 0 }) }))
        },
      })),
  ],
  [
    'delivers now, and at its time',
    RECALLING,
    'Delivered now, it is in its queue when that is answered, and comes once',
    (next) =>
      brokenDelay(next, (delay) => ({
        deliverMessageNow: async (topic, handle) => {
          const [found] = await delay.queryDelayedMessages({
            topic,
            begin: 0,
            end: Number.MAX_SAFE_INTEGER,
            maxCount: 1,
          })
          await delay.rescheduleMessage(topic, handle, next.clock.now())
          return found!.message.messageId
        },
      })),
  ],
  [
    'shows what waits for all topics',
    RECALLING,
    'What waits for a topic can be seen, earliest first, within times and up to a number',
    (next) =>
      brokenDelay(next, (delay) => ({
        queryDelayedMessages: async (query) => {
          const others = await next.queryTopics()
          const all = others.map(({ topic }) => delay.queryDelayedMessages({ ...query, topic }))
          return (await Promise.all(all)).flat()
        },
      })),
  ],
]
