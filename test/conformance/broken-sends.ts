/** Engines that are broken for compressed bodies, repeated and one-way sends, or that answer sends wrongly. */
import type { Engine, SendRequest } from '../../src/model/engine.ts'
import { formatMessageId } from '../../src/model/message-id.ts'
import type { OutgoingMessage } from '../../src/model/outgoing-message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

/** Sends of single messages do something else. */
function brokenSend(
  next: Engine,
  send: (message: OutgoingMessage, request: SendRequest) => Promise<SendReceipt>,
): Partial<Engine> {
  return {
    sendMessage: (request) =>
      'topic' in request.messages ? send(request.messages, request) : next.sendMessage(request),
  }
}

/** Sends with an id are looked for by this, in the memory of the engine. */
function rememberedBy(next: Engine, keyOf: (message: OutgoingMessage) => string): Partial<Engine> {
  const receipts = new Map<string, Promise<SendReceipt>>()
  return brokenSend(next, async (message, request) => {
    if (message.isSentOnce !== true) return next.sendMessage(request)
    const key = keyOf(message)
    const known = receipts.get(key)
    if (known !== undefined) return { ...(await known), isDuplicate: true }
    const { isSentOnce: _, ...messages } = message
    const sending = next.sendMessage({ ...request, messages })
    receipts.set(key, sending)
    return sending
  })
}

const idOf = ({ messageId }: OutgoingMessage): string => formatMessageId(messageId)
const idInTopic = (message: OutgoingMessage): string => `${idOf(message)} ${message.topic}`

const DETAILS = 'Sending: hooks, compression, duplicates'

export const BROKEN_SENDS: readonly BrokenEngine[] = [
  [
    'answers sends with an id of its own',
    DETAILS,
    'Send hooks are told the group, the producer, the queue and the message',
    (next) => ({
      sendMessage: async (request) =>
        overlay(await next.sendMessage(request), { messageId: `01${'0'.repeat(32)}` }),
    }),
  ],
  [
    'answers a delayed send as one that was not flushed',
    DETAILS,
    'Send hooks are told what is delayed',
    (next) => ({
      delay: overlay(next.delay!, {
        sendDelayedMessage: async (...sent: Parameters<NonNullable<Engine['delay']>['sendDelayedMessage']>) =>
          overlay(await next.delay!.sendDelayedMessage(...sent), { status: 'FLUSH_DISK_TIMEOUT' }),
      }),
    }),
  ],
  [
    'forgets that a body is compressed',
    DETAILS,
    'A compressed body is consumed as it was sent',
    (next) =>
      brokenSend(next, (message, request) =>
        next.sendMessage({ ...request, messages: { ...message, properties: [] } }),
      ),
  ],
  [
    'inflates bodies before it stores them',
    DETAILS,
    'A compressed body is pulled and looked up as it was sent',
    (next) =>
      brokenSend(next, (message, request) =>
        next.sendMessage({ ...request, messages: message.uncompressed ?? message }),
      ),
  ],
  [
    'stores repetitions',
    DETAILS,
    'A repeated send stores nothing, and answers what the first one was answered',
    (next) =>
      brokenSend(next, ({ isSentOnce: _, ...messages }, request) =>
        next.sendMessage({ ...request, messages }),
      ),
  ],
  [
    'does not say that a send was a repetition',
    DETAILS,
    'Of sends at the same time with one id one is stored',
    (next) => ({
      sendMessage: async (request) => overlay(await next.sendMessage(request), { isDuplicate: undefined }),
    }),
  ],
  [
    'looks for repetitions for ever',
    DETAILS,
    'A send is no repetition when the window is over',
    (next) => rememberedBy(next, idInTopic),
  ],
  [
    'looks for repetitions in the life of its process',
    DETAILS,
    'A repetition is found after a restart',
    (next) => rememberedBy(next, idInTopic),
  ],
  [
    'remembers sends to a topic that is gone',
    DETAILS,
    'A topic that is deleted takes the ids along that were sent to it',
    (next) => rememberedBy(next, idInTopic),
  ],
  [
    'looks for repetitions in all topics together',
    DETAILS,
    'An id counts for its topic',
    (next) => rememberedBy(next, idOf),
  ],
  [
    'stores sends with an id in any order',
    DETAILS,
    'Sends with ids of their own keep the order of the calls',
    (next) => {
      let count = 0
      return brokenSend(next, async (message, request) => {
        // Every other send stays behind for a while.
        if (message.isSentOnce === true && ++count % 2 === 1) await next.queryMessagesById(idOf(message))
        const { isSentOnce: _, ...messages } = message
        return next.sendMessage({ ...request, messages })
      })
    },
  ],
  [
    'answers sends before it stores them, which a close after one-way sends shows',
    DETAILS,
    'A producer waits for one-way sends when it closes',
    (next) => ({
      sendMessage: async (request) => {
        next.clock.setTimer(50, () => void next.sendMessage(request))
        const messageIds = [request.messages].flat().map(idOf)
        const receipt: Partial<SendReceipt> = { status: 'SEND_OK', messageId: messageIds[0]!, messageIds }
        return receipt as SendReceipt
      },
    }),
  ],
]
