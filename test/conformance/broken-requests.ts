/** Engines that are broken for requests: replies that go astray, come twice, or are lost without a word. */
import type { Engine } from '../../src/model/engine.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { ReplyTaker, RequestVerbs } from '../../src/model/request-verbs.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

const CHAPTER = 'Requests and replies'

function broken(next: Engine, verbs: (requests: RequestVerbs) => Partial<RequestVerbs>): Partial<Engine> {
  const requests = next.requests!
  return { requests: overlay(requests, verbs(requests)) }
}

/** A taker that hears of replies in another way. */
function hearing(taker: ReplyTaker, take: ReplyTaker['take']): ReplyTaker {
  return { take, countDropped: () => taker.countDropped(), end: (error) => taker.end(error) }
}

export const BROKEN_REQUESTS: readonly BrokenEngine[] = [
  [
    'loses replies and says that they were delivered',
    CHAPTER,
    'A pull consumer replies to a request',
    (next) => broken(next, () => ({ sendReply: async () => 'DELIVERED' })),
  ],
  [
    'hands each reply to whoever has waited longest',
    CHAPTER,
    'Each of many requests gets its own reply',
    (next) => {
      const waiting: string[] = []
      const noting = next.sendMessage.bind(next)
      return {
        sendMessage: (request) => {
          for (const { properties } of [request.messages].flat())
            for (const [name, value] of properties) if (name === 'CORRELATION_ID') waiting.unshift(value)
          return noting(request)
        },
        ...broken(next, (requests) => ({
          takeReplies: (clientId, taker) =>
            requests.takeReplies(
              clientId,
              hearing(taker, (id, reply) => taker.take(waiting.pop() ?? id, reply)),
            ),
        })),
      }
    },
  ],
  [
    'says nothing of a requester that is gone',
    CHAPTER,
    'A reply to a producer that is closed is refused',
    (next) =>
      broken(next, (requests) => ({
        sendReply: (reply) => requests.sendReply(reply).catch(() => 'DROPPED' as const),
      })),
  ],
  [
    'keeps requesters that are gone',
    CHAPTER,
    'A reply to a producer that is closed is refused',
    (next) =>
      broken(next, (requests) => ({
        takeReplies: (clientId, taker) => {
          requests.takeReplies(clientId, taker)
          return () => undefined
        },
      })),
  ],
  [
    'says that late replies were delivered',
    CHAPTER,
    'A late reply is dropped, counted, and its sender told',
    (next) =>
      broken(next, (requests) => ({
        sendReply: async (reply) => {
          await requests.sendReply(reply)
          return 'DELIVERED'
        },
      })),
  ],
  [
    'drops the properties of replies',
    CHAPTER,
    'A reply has a body, a tag, keys and properties',
    (next) =>
      broken(next, (requests) => ({
        takeReplies: (clientId, taker) =>
          requests.takeReplies(
            clientId,
            hearing(taker, (id, reply) => taker.take(id, overlay<MessageView>(reply, { properties: {} }))),
          ),
      })),
  ],
  [
    'drops requests whose time is over',
    CHAPTER,
    'A request whose time is over is delivered all the same',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        const now = next.clock.now()
        const messages = result.messages.filter(
          ({ properties: { TTL }, bornTimestamp }) => TTL === undefined || bornTimestamp + Number(TTL) > now,
        )
        return { ...result, messages }
      },
    }),
  ],
  [
    'stores requests without saying who asks',
    CHAPTER,
    'A request says who asks, what to call it, and for how long',
    (next) => ({
      sendMessage: ({ messages, ...request }) => {
        const anonymous = [messages].flat().map((message) => ({
          ...message,
          properties: message.properties.filter(([name]) => name !== 'REPLY_TO_CLIENT'),
        }))
        return next.sendMessage({ ...request, messages: anonymous })
      },
    }),
  ],
]
