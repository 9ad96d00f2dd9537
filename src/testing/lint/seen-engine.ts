/** Stands before the verbs of an engine and tells what is asked of it, in the words of the rules. */
import type { DelayVerbs } from '../../model/delay-verbs.ts'
import type { ConsumerRegistration, Engine, SendRequest } from '../../model/engine.ts'
import { MQError } from '../../model/errors.ts'
import type { ReplyRequest, RequestVerbs } from '../../model/request-verbs.ts'
import type { TopicRoute } from '../../model/results.ts'
import type { TransactionVerbs } from '../../model/transaction-verbs.ts'
import { overlay } from '../layer.ts'
import type { SeenSend } from './rule.ts'

/** Who wants to know. The first five may throw, and then nothing happens. */
export interface EngineAudience {
  beforeConsumer(registration: ConsumerRegistration): void
  beforeProducer(group: string, clientId: string): void
  beforeSend(send: SeenSend): void
  beforeRecall(topic: string): void
  beforeReply(request: ReplyRequest): void
  afterConsumer(registration: ConsumerRegistration): Promise<void>
  afterConsumerLeft(group: string, clientId: string): Promise<void>
  afterProducerLeft(group: string, clientId: string): void
  afterSend(send: SeenSend): void
  /** Whether the topic is there before somebody publishes to it. */
  isKnown(topic: string): Promise<boolean>
  afterCreation(topic: string): Promise<void>
  /** Completes what a send is about. */
  see(request: SendRequest, way: SeenSend['way'], delayMs: number): SeenSend
}

export function seenEngine(next: Engine, audience: EngineAudience): Partial<Engine> {
  const { delay, transactions, requests } = next
  return {
    ...clientVerbs(next, audience),
    publishRoute: (topic) => publishRoute(next, audience, topic),
    sendMessage: (request) =>
      passOn(audience, audience.see(request, 'NORMAL', 0), () => next.sendMessage(request)),
    ...(delay && { delay: delayVerbs(next, delay, audience) }),
    ...(transactions && { transactions: transactionVerbs(transactions, audience) }),
    ...(requests && { requests: requestVerbs(requests, audience) }),
  }
}

function clientVerbs(next: Engine, audience: EngineAudience): Partial<Engine> {
  return {
    registerConsumer: async (registration) => {
      audience.beforeConsumer(registration)
      await next.registerConsumer(registration)
      await audience.afterConsumer(registration)
    },
    unregisterConsumer: async (group, clientId) => {
      await next.unregisterConsumer(group, clientId)
      await audience.afterConsumerLeft(group, clientId)
    },
    registerProducer: async (group, clientId) => {
      audience.beforeProducer(group, clientId)
      await next.registerProducer(group, clientId)
    },
    unregisterProducer: async (group, clientId) => {
      await next.unregisterProducer(group, clientId)
      audience.afterProducerLeft(group, clientId)
    },
  }
}

function delayVerbs(next: Engine, delay: DelayVerbs, audience: EngineAudience): DelayVerbs {
  const verbs: Partial<DelayVerbs> = {
    sendDelayedMessage: (request, when) => {
      // The levels of a cluster are its own.
      const aheadMs = 'deliveryTimestamp' in when ? when.deliveryTimestamp - next.clock.now() : 0
      const send = audience.see(request, 'DELAY', aheadMs)
      return passOn(audience, send, () => delay.sendDelayedMessage(request, when))
    },
    recallMessage: async (topic, recallHandle) => {
      audience.beforeRecall(topic)
      return delay.recallMessage(topic, recallHandle)
    },
  }
  return overlay(delay, verbs)
}

function transactionVerbs(transactions: TransactionVerbs, audience: EngineAudience): TransactionVerbs {
  const verbs: Partial<TransactionVerbs> = {
    sendHalfMessage: (request) =>
      passOn(audience, audience.see(request, 'TRANSACTION', 0), () => transactions.sendHalfMessage(request)),
  }
  return overlay(transactions, verbs)
}

function requestVerbs(requests: RequestVerbs, audience: EngineAudience): RequestVerbs {
  const verbs: Partial<RequestVerbs> = {
    sendReply: async (reply) => {
      audience.beforeReply(reply)
      return requests.sendReply(reply)
    },
  }
  return overlay(requests, verbs)
}

/** Asks before the send, and tells afterwards, also when nobody knows whether it is stored. */
function passOn<Receipt>(
  audience: EngineAudience,
  send: SeenSend,
  go: () => Promise<Receipt>,
): Promise<Receipt> {
  try {
    audience.beforeSend(send)
  } catch (error) {
    return Promise.reject(error)
  }
  const sending = go()
  sending.then(
    () => audience.afterSend(send),
    (error: unknown) => {
      if (error instanceof MQError && error.outcome === 'unknown') audience.afterSend(send)
    },
  )
  return sending
}

async function publishRoute(next: Engine, audience: EngineAudience, topic: string): Promise<TopicRoute> {
  const wasKnown = await audience.isKnown(topic)
  const route = await next.publishRoute(topic)
  if (!wasKnown) await audience.afterCreation(topic)
  return route
}
