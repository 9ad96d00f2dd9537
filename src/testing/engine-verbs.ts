/** The verbs of an engine and of its optional parts as a list, so that layers can treat them alike. */
import type { DelayVerbs } from '../model/delay-verbs.ts'
import type { Engine, PopVerbs } from '../model/engine.ts'
import type { RequestVerbs } from '../model/request-verbs.ts'
import type { TransactionVerbs } from '../model/transaction-verbs.ts'
import { overlay } from './layer.ts'

type NoVerb =
  | 'supports'
  | 'clock'
  | 'random'
  | 'logger'
  | 'lockLeaseMs'
  | 'watch'
  | 'pop'
  | 'transactions'
  | 'delay'
  | 'requests'
  | 'traces'
type AllVerbs = Omit<Engine, NoVerb> &
  PopVerbs &
  Omit<TransactionVerbs, 'answerChecks'> &
  Omit<DelayVerbs, 'checkDelay'> &
  Omit<RequestVerbs, 'takeReplies'>

/** The name of something that clients ask of an engine, such as `pullMessage` or `lockQueues`. */
export type EngineVerb = keyof AllVerbs

/** What a call is about, as far as it says. */
export interface VerbSubject {
  /** Several when any of them will do. */
  readonly topic?: string | readonly string[] | undefined
  /** The producer group of a send, the consumer group of everything else. */
  readonly group?: string | undefined
}

/** One call of a verb, on its way to the engine. */
export interface VerbCall {
  readonly verb: EngineVerb
  parameters: readonly unknown[]
  /** Goes on to the next layer, with the parameters as they are then. */
  proceed(): unknown
}

type Subjects = { readonly [Verb in EngineVerb]: (...parameters: Parameters<AllVerbs[Verb]>) => VerbSubject }

interface InQueue {
  readonly queue: { readonly topic: string }
}

const ofTopic = (topic: string): VerbSubject => ({ topic })
const ofGroup = (group: string): VerbSubject => ({ group })
const ofQueue = ({ topic }: InQueue['queue']): VerbSubject => ({ topic })
const ofSend = ({ producerGroup, queue }: InQueue & { readonly producerGroup: string }): VerbSubject => ({
  topic: queue.topic,
  group: producerGroup,
})
const ofQueueInGroup = (group: string, { topic }: InQueue['queue']): VerbSubject => ({ topic, group })
const ofNothing = (): VerbSubject => ({})

const subjects: Subjects = {
  queryRoute: ofTopic,
  publishRoute: ofTopic,
  sendMessage: ofSend,
  pullMessage: ({ group, queue }) => ({ topic: queue.topic, group }),
  sendMessageBack: ({ group, message }) => ({ topic: message.topic, group }),
  queryConsumerOffset: ofQueueInGroup,
  updateConsumerOffset: ofQueueInGroup,
  queryAttempts: ofQueueInGroup,
  updateAttempts: ofQueueInGroup,
  resetConsumerOffset: (group, topic) => ({ topic, group }),
  minOffset: ofQueue,
  maxOffset: ofQueue,
  searchOffset: ofQueue,
  ensureGroup: ofGroup,
  registerConsumer: ({ group }) => ({ group }),
  unregisterConsumer: ofGroup,
  forgetConsumer: ofGroup,
  registerProducer: ofGroup,
  unregisterProducer: ofGroup,
  queryConsumerIds: ofGroup,
  lockQueues: ofGroup,
  unlockQueues: ofGroup,
  viewMessage: ofQueue,
  viewMessageByOffsetId: ofNothing,
  queryMessagesById: ofNothing,
  queryMessagesByKey: ({ topic }) => ({ topic }),
  createTopic: ({ topic }) => ({ topic }),
  updateTopic: ({ topic }) => ({ topic }),
  deleteTopic: ofTopic,
  queryTopics: ofNothing,
  queryTopicStatus: ofTopic,
  createGroup: ({ group }) => ({ group }),
  deleteGroup: ofGroup,
  queryGroups: ofNothing,
  consumerProgress: ofGroup,
  flush: ofNothing,
  check: ofNothing,
  popMessage: ({ group, subscriptions }) => ({ topic: [...subscriptions.keys()], group }),
  ackMessage: ofGroup,
  ackMessages: ofGroup,
  changeInvisibleDuration: ofGroup,
  nackMessage: ofGroup,
  sendHalfMessage: ofSend,
  endTransaction: (_transactionId, producerGroup) => ({ group: producerGroup }),
  sendDelayedMessage: ofSend,
  recallMessage: ofTopic,
  queryDelayedMessages: ({ topic }) => ({ topic }),
  rescheduleMessage: ofTopic,
  deliverMessageNow: ofTopic,
  sendReply: ({ group, request }) => ({ topic: request.topic, group }),
}

/** All of them. */
export const ENGINE_VERBS = Object.keys(subjects) as readonly EngineVerb[]
/** Those that store a message and answer a receipt. */
export const SEND_VERBS: readonly EngineVerb[] = ['sendMessage', 'sendHalfMessage', 'sendDelayedMessage']
/** Those by which consumers say that they are done with messages. */
export const ACKNOWLEDGE_VERBS: readonly EngineVerb[] = ['updateConsumerOffset', 'ackMessage', 'ackMessages']

const PARTS = ['pop', 'transactions', 'delay', 'requests'] as const

export function subjectOf({ verb, parameters }: VerbCall): VerbSubject {
  return (subjects[verb] as (...parameters: readonly unknown[]) => VerbSubject)(...parameters)
}

/** Verbs that stand before those of an engine; each call goes through `around`, which answers in its place. */
export function aroundVerbs(
  next: Engine,
  verbs: readonly EngineVerb[],
  around: (call: VerbCall) => unknown,
): Partial<Engine> {
  const replaced: Record<string, unknown> = verbsOf(next, verbs, around)
  for (const name of PARTS) {
    const part = next[name]
    if (part !== undefined) replaced[name] = overlay(part, verbsOf(part, verbs, around))
  }
  return replaced
}

function verbsOf(
  target: object,
  verbs: readonly EngineVerb[],
  around: (call: VerbCall) => unknown,
): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const verb of verbs) {
    const member: unknown = Reflect.get(target, verb, target)
    if (typeof member !== 'function') continue
    found[verb] = (...parameters: readonly unknown[]) => {
      const call: VerbCall = {
        verb,
        parameters,
        proceed: () => Reflect.apply(member, target, call.parameters),
      }
      return around(call)
    }
  }
  return found
}
