/** Verbs that fail for the clients: before they did anything, or after they did it, so that only the answer is lost. */
import type { Clock } from '../../../src/model/clock.ts'
import type { DelayVerbs } from '../../../src/model/delay-verbs.ts'
import type { Engine, PopVerbs } from '../../../src/model/engine.ts'
import { MQError } from '../../../src/model/errors.ts'
import type { MessageView } from '../../../src/model/message.ts'
import type { RequestVerbs } from '../../../src/model/request-verbs.ts'
import type { TransactionVerbs } from '../../../src/model/transaction-verbs.ts'
import { overlay, type TestLayer } from '../../../src/testing/layer.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { SimEvent } from '../events.ts'
import { copyOf } from './copies.ts'

/** What becomes of calls, as shares; the rest works. */
export interface VerbTroubles {
  fails: number
  losesAnswer: number
  answersLate: number
}

export interface VerbFaultHost {
  readonly random: WorkloadRandom
  readonly clock: Clock
  readonly troubles: VerbTroubles
  tell(event: SimEvent): void
}

/** The longest that an answer is late. */
const LATE_MS = 2000

type Verb = (...parameters: never[]) => Promise<unknown>

interface VerbCall {
  readonly verb: string
  readonly group: string | undefined
  readonly message: MessageView | undefined
}

export function verbFaults(host: VerbFaultHost): TestLayer {
  const shaky = <V extends Verb>(
    verb: string,
    group: string | undefined,
    call: () => ReturnType<V>,
    message?: MessageView,
  ): ReturnType<V> => meet(host, { verb, group, message }, call) as ReturnType<V>
  return {
    engine: (next) => ({
      sendMessage: (request) =>
        shaky<Engine['sendMessage']>('sendMessage', undefined, () => next.sendMessage(request)),
      pullMessage: (request) =>
        shaky<Engine['pullMessage']>('pullMessage', request.group, () => next.pullMessage(request)),
      sendMessageBack: (request) =>
        shaky<Engine['sendMessageBack']>(
          'sendMessageBack',
          request.group,
          () => next.sendMessageBack(request),
          request.message,
        ),
      updateConsumerOffset: (...update) =>
        shaky<Engine['updateConsumerOffset']>('updateConsumerOffset', update[0], () =>
          next.updateConsumerOffset(...update),
        ),
      queryConsumerOffset: (...query) =>
        shaky<Engine['queryConsumerOffset']>('queryConsumerOffset', query[0], () =>
          next.queryConsumerOffset(...query),
        ),
      lockQueues: (group, clientId, queues) =>
        shaky<Engine['lockQueues']>('lockQueues', group, () => next.lockQueues(group, clientId, queues)),
      unlockQueues: (group, clientId, queues) =>
        shaky<Engine['unlockQueues']>('unlockQueues', group, () =>
          next.unlockQueues(group, clientId, queues),
        ),
      queryRoute: (topic) =>
        shaky<Engine['queryRoute']>('queryRoute', undefined, () => next.queryRoute(topic)),
      updateAttempts: (...update) =>
        shaky<Engine['updateAttempts']>('updateAttempts', update[0], () => next.updateAttempts(...update)),
      ...(next.pop && { pop: shakyPop(host, next.pop) }),
      ...(next.delay && { delay: shakyDelays(host, next.delay) }),
      ...(next.transactions && { transactions: shakyTransactions(host, next.transactions) }),
      ...(next.requests && { requests: shakyRequests(host, next.requests) }),
    }),
  }
}

function shakyPop(host: VerbFaultHost, pop: PopVerbs): PopVerbs {
  const shaky = <Answer>(verb: string, group: string, call: () => Promise<Answer>): Promise<Answer> =>
    meet(host, { verb, group, message: undefined }, call) as Promise<Answer>
  return overlay<PopVerbs>(pop, {
    popMessage: (request) => shaky('popMessage', request.group, () => pop.popMessage(request)),
    ackMessages: (group, handles) => shaky('ackMessages', group, () => pop.ackMessages(group, handles)),
    changeInvisibleDuration: (group, ...change) =>
      shaky('changeInvisibleDuration', group, () => pop.changeInvisibleDuration(group, ...change)),
    nackMessage: (group, handle) => shaky('nackMessage', group, () => pop.nackMessage(group, handle)),
  } satisfies Partial<PopVerbs>)
}

function shakyDelays(host: VerbFaultHost, delay: DelayVerbs): DelayVerbs {
  const shaky = <Answer>(verb: string, call: () => Promise<Answer>): Promise<Answer> =>
    meet(host, { verb, group: undefined, message: undefined }, call) as Promise<Answer>
  return overlay<DelayVerbs>(delay, {
    sendDelayedMessage: (...send) => shaky('sendDelayedMessage', () => delay.sendDelayedMessage(...send)),
    recallMessage: (...recall) => shaky('recallMessage', () => delay.recallMessage(...recall)),
    rescheduleMessage: (...move) => shaky('rescheduleMessage', () => delay.rescheduleMessage(...move)),
    deliverMessageNow: (...fire) => shaky('deliverMessageNow', () => delay.deliverMessageNow(...fire)),
  } satisfies Partial<DelayVerbs>)
}

function shakyTransactions(host: VerbFaultHost, transactions: TransactionVerbs): TransactionVerbs {
  const shaky = <Answer>(verb: string, call: () => Promise<Answer>): Promise<Answer> =>
    meet(host, { verb, group: undefined, message: undefined }, call) as Promise<Answer>
  return overlay<TransactionVerbs>(transactions, {
    sendHalfMessage: (request) => shaky('sendHalfMessage', () => transactions.sendHalfMessage(request)),
    endTransaction: (...end) => shaky('endTransaction', () => transactions.endTransaction(...end)),
  } satisfies Partial<TransactionVerbs>)
}

function shakyRequests(host: VerbFaultHost, requests: RequestVerbs): RequestVerbs {
  return overlay<RequestVerbs>(requests, {
    sendReply: (request) =>
      meet(host, { verb: 'sendReply', group: request.group, message: undefined }, () =>
        requests.sendReply(request),
      ) as ReturnType<RequestVerbs['sendReply']>,
  } satisfies Partial<RequestVerbs>)
}

async function meet(host: VerbFaultHost, verbCall: VerbCall, call: () => Promise<unknown>): Promise<unknown> {
  const { verb } = verbCall
  const { random, clock, troubles } = host
  const { fails, losesAnswer, answersLate } = troubles
  const dice = fails + losesAnswer + answersLate === 0 ? 1 : random.next()
  if (dice < fails) {
    tellFailed(host, verbCall)
    throw new MQError('SERVICE_NOT_AVAILABLE', `The ${verb} is refused by the test.`, {
      outcome: 'not-attempted',
    })
  }
  const answer = await call()
  // A call that waited long may be answered when troubles are over.
  if (troubles.losesAnswer > 0 && dice < fails + losesAnswer) {
    tellFailed(host, verbCall)
    throw new MQError('SYSTEM_ERROR', `The answer of ${verb} is lost.`, { outcome: 'unknown' })
  }
  if (troubles.answersLate > 0 && dice < fails + losesAnswer + answersLate)
    await new Promise<void>((resolve) => clock.setTimer(random.between(1, LATE_MS), resolve))
  return answer
}

function tellFailed(host: VerbFaultHost, { verb, group, message }: VerbCall): void {
  host.tell({ type: 'verb-failed', verb, group, ...(message && { copy: copyOf(message) }) })
}
