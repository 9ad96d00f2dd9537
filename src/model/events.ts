/** The typed events of an instance, for `mq.on(...)`. */
import type { MQError } from './errors.ts'
import type { MessageQueue } from './message-queue.ts'

/** Event names and the one argument that each carries. */
export interface MQEvents {
  /** A message became a dead letter. */
  'dead-letter': (event: DeadLetterEvent) => void
  /** A message failed and will be tried again. */
  retry: (event: RetryEvent) => void
  /** A topic was created, also by its first send, or changed. */
  'topic-changed': (event: { readonly topic: string }) => void
  /** Members of a group came or went. */
  'group-changed': (event: { readonly group: string; readonly clientIds: readonly string[] }) => void
  /** Messages were removed or lost that a group, a retry or a queue still needed. */
  'message-lost': (event: MessageLostEvent) => void
  /** Something works, but not as it should; the code says what. */
  warning: (event: WarningEvent) => void
  /** Something failed that no caller is waiting for. */
  error: (error: MQError) => void
  /** The store changed its state. */
  'store-state': (event: { readonly state: StoreState; readonly error?: MQError }) => void
}

/** How an event leaves the part that noticed it. */
export type EmitEvent = <N extends keyof MQEvents>(name: N, event: Parameters<MQEvents[N]>[0]) => void

/** `healing`: LevelDB failed and is being reopened, sends go on; `failed`: reopen the store. */
export type StoreState = 'open' | 'healing' | 'read-only' | 'failed' | 'closed'

export interface RetryEvent {
  readonly group: string
  readonly topic: string
  readonly messageId: string
  readonly reconsumeTimes: number
  /** When the retry is delivered, in milliseconds since 1970. */
  readonly dueTimestamp: number
  readonly reason: string
}

export interface DeadLetterEvent {
  readonly group: string
  readonly topic: string
  readonly messageId: string
  readonly deadLetterTopic: string
  readonly reconsumeTimes: number
  readonly reason: string
}

export interface MessageLostEvent {
  /** `deleted`: the topic was deleted while a retry still needed the message. */
  readonly reason: 'retention' | 'corruption' | 'deleted'
  readonly queue: MessageQueue
  readonly fromOffset: number
  /** The first offset that is still there. */
  readonly toOffset: number
  /** The group that had not consumed them, if it was one. */
  readonly group?: string
}

export interface WarningEvent {
  readonly code:
    | 'LARGE_BATCH'
    | 'LISTENER_TIMEOUT'
    | 'SUBSCRIPTION_MISMATCH'
    | 'RECOVERY'
    | 'DISK_LOW'
    | 'SLOW_DISK'
    | 'CLOSE_TIMEOUT'
  readonly message: string
}
