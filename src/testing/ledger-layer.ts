/** Writes down what passes: sends and their outcome, calls of listeners and theirs. */
import { ConsumeResult } from '../consumer/message-listener.ts'
import type { DelayVerbs, Engine, SendRequest, TransactionVerbs } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { SendReceipt } from '../model/results.ts'
import type { PocketMQ } from '../pocketmq.ts'
import type { CallListener, ListenerCall, TestLayer } from './layer.ts'
import type { Ledger, SentContent } from './ledger.ts'

export function ledgerLayer(ledger: Ledger): TestLayer {
  return {
    engine: (next) => ledgerVerbs(ledger, next),
    listener: (next) => (call) => recordCall(ledger, next, call),
  }
}

/** Writes down what an instance tells of retries, dead letters and dropped messages. */
export function recordEvents(ledger: Ledger, mq: PocketMQ): void {
  mq.on('retry', (event) => ledger.record({ type: 'retried', ...event }))
  mq.on('dead-letter', (event) => ledger.record({ type: 'dead-lettered', ...event }))
  mq.on('message-dropped', (event) => ledger.record({ type: 'dropped', ...event }))
}

function ledgerVerbs(ledger: Ledger, next: Engine): Partial<Engine> {
  const { delay, transactions } = next
  return {
    sendMessage: (request) => recordSend(ledger, request, next.sendMessage(request)),
    ...(delay && { delay: delayVerbs(ledger, delay) }),
    ...(transactions && { transactions: transactionVerbs(ledger, transactions) }),
  }
}

function delayVerbs(ledger: Ledger, next: DelayVerbs): DelayVerbs {
  return {
    sendDelayedMessage: (request, deliveryTimestamp) =>
      recordSend(ledger, request, next.sendDelayedMessage(request, deliveryTimestamp)),
    recallMessage: async (topic, recallHandle) => {
      const messageId = await next.recallMessage(topic, recallHandle)
      ledger.record({ type: 'recalled', topic, messageId })
      return messageId
    },
  }
}

function transactionVerbs(ledger: Ledger, next: TransactionVerbs): TransactionVerbs {
  /** Half messages of this run, by transaction. */
  const halves = new Map<string, { readonly topic: string; readonly messageId: string }>()
  return {
    answerChecks: (...parameters) => next.answerChecks(...parameters),
    sendHalfMessage: async (request) => {
      const receipt = await recordSend(ledger, request, next.sendHalfMessage(request))
      halves.set(receipt.transactionId, { topic: request.queue.topic, messageId: receipt.messageId })
      return receipt
    },
    endTransaction: async (transactionId, producerGroup, resolution) => {
      await next.endTransaction(transactionId, producerGroup, resolution)
      const half = halves.get(transactionId)
      if (half === undefined || resolution === 'UNKNOWN') return
      const type = resolution === 'COMMIT' ? 'committed' : 'rolled-back'
      ledger.record({ type, producerGroup, ...half })
    },
  }
}

/** The send is under way already: what is refused at once was recorded as sent all the same. */
async function recordSend<Receipt extends SendReceipt>(
  ledger: Ledger,
  { producerGroup, messages, queue }: SendRequest,
  sending: Promise<Receipt>,
): Promise<Receipt> {
  const sent = [messages].flat()
  const ids = sent.map(({ messageId }) => formatMessageId(messageId))
  const { topic } = queue
  sent.forEach((message, index) => {
    ledger.record({ type: 'sent', topic, messageId: ids[index]!, producerGroup, ...contentOf(message) })
  })
  try {
    const receipt = await sending
    ids.forEach((messageId, index) => {
      const queueOffset = receipt.queueOffset + index
      ledger.record({ type: 'stored', topic, messageId, queue, queueOffset, status: receipt.status })
    })
    return receipt
  } catch (caught) {
    const error = MQError.from(caught)
    for (const messageId of ids) ledger.record({ type: 'send-failed', topic, messageId, error })
    throw caught
  }
}

function contentOf({ tag, keys, properties, body }: OutgoingMessage): SentContent {
  return {
    tag: tag === '' ? undefined : tag,
    keys: keys === '' ? [] : keys.split(' '),
    properties: Object.fromEntries(properties),
    body: Buffer.from(body as string),
  }
}

async function recordCall(ledger: Ledger, next: CallListener, call: ListenerCall) {
  const { group, clientId, messages, context } = call
  const who = messages.map(({ topic, messageId, deliveryAttempt }) => ({
    topic,
    messageId,
    group,
    clientId,
    deliveryAttempt,
  }))
  messages.forEach(({ queue, queueOffset }, index) => {
    ledger.record({ type: 'delivered', ...who[index]!, queue, queueOffset })
  })
  try {
    const answer = await next(call)
    who.forEach((each, index) => {
      const isDone = (answer ?? ConsumeResult.SUCCESS) === ConsumeResult.SUCCESS && index <= context.ackIndex
      if (isDone) ledger.record({ type: 'acknowledged', ...each })
      else ledger.record({ type: 'failed', ...each, reason: `The listener answered ${answer ?? 'nothing'}.` })
    })
    return answer
  } catch (caught) {
    const reason = MQError.from(caught).message
    for (const each of who) ledger.record({ type: 'failed', ...each, reason })
    throw caught
  }
}
