/** The typed events of an instance, for `mq.on(...)`. */
import type { MQError } from './errors.ts'
import type { MessageQueue } from './message-queue.ts'

/** Event names and the one argument that each carries. */
export interface MQEvents {
  /** A message became a dead letter. */
  'dead-letter': (event: DeadLetterEvent) => void
  /** A message failed and will be tried again. */
  retry: (event: RetryEvent) => void
  /** A broadcasting member gave a message up; it gets it no more. */
  'message-dropped': (event: MessageDroppedEvent) => void
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

/**
 * What a store does now. `open`: all of it. `healing`: LevelDB failed and is being opened again; sends go on, reads from
 * the disk wait. `read-only`: the disk has less room than `minFreeDiskBytes`; sends are refused with `DISK_FULL`, while
 * reading, committing offsets and retries go on, and it ends by itself when there is room. `failed`: nothing more is
 * taken, reopen the store. `closed`: `close` has ended.
 */
export type StoreState = 'open' | 'healing' | 'read-only' | 'failed' | 'closed'

/** A message failed in a group and will be tried again. */
export interface RetryEvent {
  /** The group that failed to consume it. */
  readonly group: string
  /** The topic that it was first sent to. */
  readonly topic: string
  /** The id that its first send answered. */
  readonly messageId: string
  /** How often the group has failed to consume it, this time included; 1 after the first delivery. */
  readonly reconsumeTimes: number
  /** When the retry is delivered, in milliseconds since 1970. */
  readonly dueTimestamp: number
  /** Why it failed, in words: the error, the answer or the timeout of the listener. */
  readonly reason: string
}

/** A message became a dead letter of a group: it is not tried again. */
export interface DeadLetterEvent {
  /** The group that failed to consume it. */
  readonly group: string
  /** The topic that it was first sent to. */
  readonly topic: string
  /** The id that its first send answered; the dead letter has it too. */
  readonly messageId: string
  /** The topic that holds it now. */
  readonly deadLetterTopic: string
  /** How often the group failed to consume it: when all retries were used up, `maxReconsumeTimes` + 1; at most 65,535. */
  readonly reconsumeTimes: number
  /** Why it failed for the last time, in words. */
  readonly reason: string
}

/** A broadcasting member could not consume a message, and will not get it again. Other members are not concerned. */
export interface MessageDroppedEvent {
  /** The group of the member. */
  readonly group: string
  /** The member. */
  readonly clientId: string
  /** The topic that it was sent to. */
  readonly topic: string
  /** The id that its send answered. */
  readonly messageId: string
  /** The queue that it lies in. */
  readonly queue: MessageQueue
  readonly queueOffset: number
  /** How often the member failed to consume it. */
  readonly reconsumeTimes: number
  /** Why it failed for the last time, in words. */
  readonly reason: string
}

export interface MessageLostEvent {
  /** `deleted`: the topic was deleted while a retry still needed the message, or while it waited for its time. */
  readonly reason: 'retention' | 'corruption' | 'deleted'
  readonly queue: MessageQueue
  readonly fromOffset: number
  /** The first offset that is still there. */
  readonly toOffset: number
  /** How many messages for this queue were lost that waited for their time; then no offsets are. */
  readonly delayedCount?: number
  /** The group that had not consumed them, if it was one. */
  readonly group?: string
  /** The broadcasting member of the group, if it was one. */
  readonly clientId?: string
}

/** Something works, but not as it should. */
export interface WarningEvent {
  /**
   * - `LARGE_BATCH`: a batch above 1 MiB was stored; smaller ones leave more room to others.
   * - `LISTENER_TIMEOUT`: a listener did not settle within `consumeTimeoutMs`; its messages are retried, or, in orderly
   *   mode, its queue waits for it.
   * - `SUBSCRIPTION_MISMATCH`: members of a group differ in what they subscribe to, in message model, mode or allocation
   *   strategy, so that some messages may reach nobody, or not in order.
   * - `QUEUES_NOT_ALLOCATED`: the allocation strategy of a group gives queues to no member, so that messages in them wait.
   * - `MIXED_CONSUMPTION`: a group has simple consumers beside other members; some messages reach both.
   * - `RECOVERY`: opening found something to repair; the message says what, and what was lost if anything was.
   * - `DISK_LOW`: free disk space fell below `minFreeDiskBytes`; sends are refused with `DISK_FULL` until there is room.
   * - `SLOW_DISK`: a write to the journal was so slow that writes leave the main thread for a while.
   * - `TRANSACTION_GIVEN_UP`: nobody knew how a transaction ended, after the last check; its message was not delivered.
   * - `RETENTION_TOO_SHORT`: `retention.maxAgeMs` is shorter than `deduplicationWindowMs`; told at each opening.
   * - `CLOSE_TIMEOUT`: a consumer closed although listeners had not settled; their messages are delivered again.
   */
  readonly code:
    | 'LARGE_BATCH'
    | 'LISTENER_TIMEOUT'
    | 'SUBSCRIPTION_MISMATCH'
    | 'QUEUES_NOT_ALLOCATED'
    | 'MIXED_CONSUMPTION'
    | 'RECOVERY'
    | 'DISK_LOW'
    | 'SLOW_DISK'
    | 'TRANSACTION_GIVEN_UP'
    | 'RETENTION_TOO_SHORT'
    | 'CLOSE_TIMEOUT'
  /** What happened and what to do, in words. */
  readonly message: string
  /** Of `QUEUES_NOT_ALLOCATED`: whose queues of what. */
  readonly group?: string
  readonly topic?: string
}
