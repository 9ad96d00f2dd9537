/** Writes down what passes: sends and their outcome, calls of listeners and theirs. */
import { commitOf } from '../consumer/consume-context.ts'
import { reasonOfAnswer, reasonOfError } from '../consumer/failure-reason.ts'
import { copyOf } from '../model/body-bytes.ts'
import type { DelayVerbs } from '../model/delay-verbs.ts'
import type { Engine, PopVerbs, SendRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { isFieldProperty, PropertyName } from '../model/properties.ts'
import type { SendReceipt } from '../model/results.ts'
import type { HalfSendRequest } from '../model/transaction-verbs.ts'
import type { PocketMQ } from '../pocketmq.ts'
import { deliveredContent, type HandedOut } from './handed-out.ts'
import { type CallListener, type ListenerCall, overlay, type TestLayer } from './layer.ts'
import type { Ledger, SentContent } from './ledger.ts'
import { recordedReplies } from './reply-layer.ts'
import { recordedTransactions } from './transaction-layer.ts'

const BEHIND_ACK_INDEX = 'It lay behind the ackIndex of its batch.'
const NACKED = 'It was given back.'

/** Receipts by message id, as the engine gave them: a fault may keep them from the sender. */
export type Receipts = Map<string, SendReceipt>

/** Stands next to the engine and remembers what it stored until the sender has heard of it. */
export function receiptLayer(receipts: Receipts): TestLayer {
  const witness = async <Receipt extends SendReceipt>(sending: Promise<Receipt>): Promise<Receipt> => {
    const receipt = await sending
    for (const messageId of receipt.messageIds) receipts.set(messageId, receipt)
    return receipt
  }
  return {
    engine: (next) => {
      const { delay, transactions } = next
      const delayed: Partial<DelayVerbs> = {
        sendDelayedMessage: (request, when) => witness(delay!.sendDelayedMessage(request, when)),
      }
      const half = {
        sendHalfMessage: (request: HalfSendRequest) => witness(transactions!.sendHalfMessage(request)),
      }
      return {
        sendMessage: (request) => witness(next.sendMessage(request)),
        ...(delay && { delay: overlay(delay, delayed) }),
        ...(transactions && { transactions: overlay(transactions, half) }),
      }
    },
  }
}

/** Stands next to the application. */
export function ledgerLayer(ledger: Ledger, receipts: Receipts, handedOut: HandedOut): TestLayer {
  return {
    engine: (next) => {
      handedOut.begin()
      return { ...ledgerVerbs(ledger, receipts, next), ...handOutVerbs(handedOut, next) }
    },
    listener: (next) => (call) => recordCall(ledger, next, call),
  }
}

/** Writes down what an instance tells of retries, dead letters and dropped messages. */
export function recordEvents(ledger: Ledger, mq: PocketMQ): void {
  mq.on('retry', (event) => ledger.record({ type: 'retried', ...event }))
  mq.on('dead-letter', (event) => ledger.record({ type: 'dead-lettered', ...event }))
  mq.on('message-dropped', (event) => ledger.record({ type: 'dropped', ...event }))
}

function ledgerVerbs(ledger: Ledger, receipts: Receipts, next: Engine): Partial<Engine> {
  const { delay, transactions, requests } = next
  return {
    sendMessage: (request) => recordSend({ ledger, receipts }, request, next.sendMessage(request)),
    ...(delay && { delay: delayVerbs({ ledger, receipts }, delay) }),
    ...(transactions && {
      transactions: recordedTransactions(ledger, transactions, (request) =>
        recordSend({ ledger, receipts }, request, transactions.sendHalfMessage(request)),
      ),
    }),
    ...(requests && { requests: recordedReplies(ledger, requests) }),
  }
}

/** What is received and polled, and what becomes of it. */
function handOutVerbs(handedOut: HandedOut, next: Engine): Partial<Engine> {
  const { pop } = next
  return {
    ...(pop && { pop: overlay(pop, popVerbs(handedOut, pop)) }),
    updateConsumerOffset: async (group, queue, offset, mayGoBack, clientId) => {
      await next.updateConsumerOffset(group, queue, offset, mayGoBack, clientId)
      handedOut.commit(group, queue, offset, clientId)
    },
    resetConsumerOffset: async (group, topic, offsets) => {
      await next.resetConsumerOffset(group, topic, offsets)
      handedOut.reset(group, topic)
    },
    unregisterConsumer: async (group, clientId) => {
      await next.unregisterConsumer(group, clientId)
      handedOut.leave(group, clientId)
    },
  }
}

function popVerbs(handedOut: HandedOut, next: PopVerbs): Partial<PopVerbs> {
  return {
    popMessage: async (request) => {
      const messages = await next.popMessage(request)
      handedOut.receive(request.group, request.clientId, messages)
      return messages
    },
    ackMessage: async (group, receiptHandle) => {
      await next.ackMessage(group, receiptHandle)
      handedOut.acknowledge(receiptHandle)
    },
    ackMessages: async (group, receiptHandles) => {
      const refused = await next.ackMessages(group, receiptHandles)
      const useless = new Set(refused.map(({ receiptHandle }) => receiptHandle))
      for (const each of receiptHandles) if (!useless.has(each)) handedOut.acknowledge(each)
      return refused
    },
    changeInvisibleDuration: async (group, receiptHandle, invisibleDurationMs) => {
      const renewed = await next.changeInvisibleDuration(group, receiptHandle, invisibleDurationMs)
      handedOut.renew(receiptHandle, renewed)
      return renewed
    },
    nackMessage: async (group, receiptHandle, reason) => {
      const renewed = await next.nackMessage(group, receiptHandle, reason)
      handedOut.fail(receiptHandle, reason ?? NACKED)
      handedOut.renew(receiptHandle, renewed)
      return renewed
    },
  }
}

function delayVerbs(book: SendBook, next: DelayVerbs): DelayVerbs {
  const verbs: Partial<DelayVerbs> = {
    sendDelayedMessage: (request, delay) =>
      recordSend(book, request, next.sendDelayedMessage(request, delay)),
    recallMessage: async (topic, recallHandle) => {
      const messageId = await next.recallMessage(topic, recallHandle)
      book.ledger.record({ type: 'recalled', topic, messageId })
      return messageId
    },
  }
  return overlay(next, verbs)
}

interface SendBook {
  readonly ledger: Ledger
  readonly receipts?: Receipts
}

/** The send is under way already: what is refused at once was recorded as sent all the same. */
async function recordSend<Receipt extends SendReceipt>(
  { ledger, receipts }: SendBook,
  { producerGroup, messages, queue }: SendRequest,
  sending: Promise<Receipt>,
): Promise<Receipt> {
  const sent = [messages].flat()
  const ids = sent.map(({ messageId }) => formatMessageId(messageId))
  const { topic } = queue
  sent.forEach((message, index) => {
    ledger.record({ type: 'sent', topic, messageId: ids[index]!, producerGroup, ...contentOf(message) })
  })
  const recordStored = (receipt: SendReceipt): void => {
    const { queueOffset, status, isDuplicate } = receipt
    ids.forEach((messageId, index) => {
      if (isDuplicate)
        ledger.record({ type: 'deduplicated', topic, messageId, queue: receipt.queue, queueOffset })
      else
        ledger.record({ type: 'stored', topic, messageId, queue, queueOffset: queueOffset + index, status })
    })
  }
  try {
    const receipt = await sending
    recordStored(receipt)
    return receipt
  } catch (caught) {
    const lost = receipts?.get(ids[0]!)
    if (lost !== undefined) recordStored(lost)
    const error = MQError.from(caught)
    for (const messageId of ids) ledger.record({ type: 'send-failed', topic, messageId, error })
    throw caught
  } finally {
    for (const messageId of ids) receipts?.delete(messageId)
  }
}

function contentOf(message: OutgoingMessage): SentContent {
  const { tag, keys, properties, body } = message.uncompressed ?? message
  const messageGroup = properties.find(([name]) => name === PropertyName.MESSAGE_GROUP)?.[1]
  return {
    tag: tag === '' ? undefined : tag,
    keys: keys === '' ? [] : keys.split(' '),
    properties: Object.fromEntries(properties.filter(([name]) => !isFieldProperty(name))),
    messageGroup,
    body: typeof body === 'string' ? Buffer.from(body) : copyOf(body),
  }
}

async function recordCall(ledger: Ledger, next: CallListener, call: ListenerCall) {
  const settle = recordDelivery(ledger, call)
  // When the engine no longer waits for the listener, what it answers later counts no more.
  const { signal } = call.context
  const onAbort = (): void => {
    const reason = MQError.from(signal.reason)
    // A queue that is consumed in order waits on, and the answer counts whenever it comes.
    if (commitOf(call.context)?.isDone) settle(() => undefined)
    else if (!call.isOrderly || reason.code !== 'CONSUME_MSG_TIMEOUT') settle(() => reason.message)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    const answer = await next(call)
    const { isDone, error } = await endOfCommit(call)
    const reason = error === undefined ? reasonOfAnswer(answer) : reasonOfError(error)
    const behind = (index: number) => (index <= call.context.ackIndex ? undefined : BEHIND_ACK_INDEX)
    settle((index) => (isDone ? undefined : (reason ?? behind(index))))
    return answer
  } catch (caught) {
    const { isDone } = await endOfCommit(call)
    settle(() => (isDone ? undefined : reasonOfError(caught)))
    throw caught
  }
}

/** A commit says how the call ends, also one that nobody awaited. */
async function endOfCommit({ context }: ListenerCall) {
  const commit = commitOf(context)
  await commit?.underWay
  return { isDone: commit?.isDone === true, error: commit?.error }
}

/** Writes down that messages reached a listener; answers how to write down what became of them, which counts once. */
function recordDelivery(
  ledger: Ledger,
  { group, clientId, messages }: ListenerCall,
): (reasonOf: (index: number) => string | undefined) => void {
  const who = messages.map(({ topic, messageId, deliveryAttempt }) => ({
    topic,
    messageId,
    group,
    clientId,
    deliveryAttempt,
  }))
  messages.forEach((message, index) => {
    const { messageId, queue, queueOffset } = message
    ledger.noteContent(messageId, () => deliveredContent(message))
    ledger.record({ type: 'delivered', ...who[index]!, queue, queueOffset })
  })
  let isSettled = false
  return (reasonOf) => {
    if (isSettled) return
    isSettled = true
    who.forEach((each, index) => {
      const reason = reasonOf(index)
      if (reason === undefined) ledger.record({ type: 'acknowledged', ...each })
      else ledger.record({ type: 'failed', ...each, reason })
    })
  }
}
