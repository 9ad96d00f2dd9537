/** What a rule of the linter is made of. A rule lies in a file of its own and knows only what passes by it. */
import type { CompletePushConsumerOptions } from '../../consumer/push-consumer-options.ts'
import type { ConsumerRegistration } from '../../model/engine.ts'
import type { WarningEvent } from '../../model/events.ts'
import type { OutgoingMessage } from '../../model/outgoing-message.ts'
import type { ListenerCall } from '../layer.ts'

/**
 * `breaks`: refused on a cluster, or wrong in the end. `risky`: works until something goes wrong, as it does on a cluster.
 * `note`: no fault of the code, but the cluster has to be set up for it, or does it differently.
 */
export type LintSeverity = 'breaks' | 'risky' | 'note'

/** What a rule found. The same subject is reported once, however often it is found. */
export interface Found {
  /** What the finding is about, such as a group or a topic; tells findings of a rule apart. */
  readonly subject: string
  readonly message: string
  readonly group?: string
  readonly topic?: string
  readonly messageId?: string
}

/** Tells what was found. */
export type ReportFound = (found: Found) => void

export interface LintRule<Code extends string = string> {
  /** Stable: tests switch rules off by it. */
  readonly code: Code
  readonly severity: LintSeverity
  /** What it finds. */
  readonly title: string
  /** What a cluster does about it. */
  readonly explanation: string
  readonly advice: string
  /** The class of RocketMQ that does it, or a thread about it. */
  readonly reference: string
  /** With `strict: 'throw'`, what was about to happen is refused. Otherwise it is told when the instance closes. */
  readonly refuses: boolean
  /** Begins to watch one session. */
  watch(report: ReportFound): LintWatcher
}

/** What a rule may look at. What comes before something happens may be refused. */
export interface LintWatcher {
  /** Before a consumer joins its group; `others` are the members that are there already. */
  consumerJoins?(consumer: SeenConsumer, others: readonly SeenConsumer[]): void
  /** A consumer left; `missing` are topics that it asked for and that do not exist. */
  consumerLeft?(consumer: SeenConsumer, missing: readonly string[]): void
  /** A group has so many members, and so many queues in the largest of its topics. */
  groupSpread?(group: string, memberCount: number, queueCount: number): void
  /** Before a producer joins its group. */
  producerJoins?(producer: SeenProducer, others: readonly SeenProducer[]): void
  /** A send created its topic. */
  topicCreated?(topic: string): void
  /** Before a send. */
  sends?(send: SeenSend): void
  /** The send is stored, or may be. */
  sent?(send: SeenSend): void
  /** The instance told the application that something is not as it should be. */
  warned?(warning: WarningEvent): void
  /** Before a delayed message is taken back. */
  recalls?(topic: string): void
  /** Before a reply. */
  replies?(reply: SeenReply): void
  /** A call of a listener settled, or its time was over. */
  listenerEnded?(run: ListenerRun, end: ListenerEnd): void
}

/** A consumer as it registers. */
export interface SeenConsumer {
  readonly registration: ConsumerRegistration
  /** Only of push consumers. */
  readonly settings: ConsumerSettings | undefined
}

export type ConsumerSettings = Pick<
  CompletePushConsumerOptions,
  'mode' | 'consumeFromWhere' | 'maxReconsumeTimes' | 'allocateStrategy' | 'listener'
>

/** A producer as it registers. */
export interface SeenProducer {
  readonly group: string
  readonly clientId: string
  /** The application's own function, if it gave one. */
  readonly transactionChecker: unknown
}

/** RocketMQ's types of messages (`TopicMessageType`, semantics section 1.7). */
export type MessageType = 'NORMAL' | 'FIFO' | 'PRIORITY' | 'DELAY' | 'TRANSACTION'

export interface SeenSend {
  readonly producerGroup: string
  readonly topic: string
  readonly messages: readonly OutgoingMessage[]
  /** How it is sent; whether a message is `FIFO` is up to the message. */
  readonly way: 'NORMAL' | 'DELAY' | 'TRANSACTION'
  /** Of a delayed message: how far ahead. */
  readonly delayMs: number
  /** The call of a listener that sends it, if it is one. */
  readonly during: ListenerRun | undefined
}

export interface SeenReply {
  readonly group: string
  /** Of the request. */
  readonly topic: string
  readonly messageId: string
  /** The members of the group that replies. */
  readonly members: readonly SeenConsumer[]
}

/** One call of a listener. */
export interface ListenerRun {
  readonly call: ListenerCall
}

export interface ListenerEnd {
  /** The engine does not wait any more. */
  readonly isTimedOut: boolean
  /** How long it took, on the virtual clock and in earnest. */
  readonly virtualMs: number
  readonly realMs: number
}

/** Keeps the code as a literal type, so that the list of codes is one. */
export function defineRule<const Code extends string>(rule: LintRule<Code>): LintRule<Code> {
  return Object.freeze(rule)
}
