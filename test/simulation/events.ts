/**
 * Everything about a run that can be seen from outside: what applications ask and are told, what listeners get and answer,
 * which verbs the clients use, what the disk is asked to keep, and what a full look at the store finds. Checkers see
 * nothing else.
 */
import type { MQErrorCode, WriteOutcome } from '../../src/model/errors.ts'
import type { StoreState } from '../../src/model/events.ts'
import type { ConsumerEvent } from './consumer-events.ts'
import type { DelayEvent, FoundWaiting, SendDelay, Wait } from './delay-events.ts'
import type { RequestEvent } from './request-events.ts'
import type { FoundHalf, TransactionEvent } from './transaction-events.ts'

/** A queue by name. One of a topic that was made anew has the same name, and other labels. */
export interface QueueName {
  readonly topic: string
  readonly queueId: number
}

/** One stored copy of a message, as a listener, a pull or a look at the store shows it. */
export interface Copy {
  readonly queue: QueueName
  /** The part of the offset message id that names the queue; opaque, and never the same for two queues. */
  readonly label: string
  readonly offset: number
  /** The number that its body carries; -1 when the body is not one that was sent. */
  readonly number: number
  readonly messageId: string
  readonly topic: string
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly messageGroup: string | undefined
  readonly properties: Readonly<Record<string, string>>
  readonly body: string
  readonly bornTimestamp: number
  readonly storeTimestamp: number
  readonly reconsumeTimes: number
  readonly deliveryAttempt: number
  readonly storeSize: number
  /** What its sender delayed it by, as it says. */
  readonly delay?: SendDelay
}

/** A call of `producer.send`. */
export interface SendCall {
  readonly id: number
  readonly producer: string
  readonly topic: string
  /** One message, or a batch. */
  readonly numbers: readonly number[]
  /** The queue that was asked for. */
  readonly queueId: number | undefined
  /** The argument that the queue was chosen by. */
  readonly shardingKey: string | undefined
  readonly delay?: SendDelay
  /** The id that its sender gave, so that it can be repeated. */
  readonly messageId?: string
}

export interface Receipt {
  readonly status: string
  readonly queue: QueueName
  readonly label: string
  readonly offset: number
  readonly count: number
  readonly messageIds: readonly string[]
  readonly storeTimestamp: number
  /** It lies in no queue yet; label and offset mean nothing then. */
  readonly wait?: Wait
  /** It is that of an earlier send with the same id. */
  readonly isDuplicate?: boolean
}

export interface Refusal {
  /** `undefined` when what was thrown is no `MQError`. */
  readonly code: MQErrorCode | undefined
  readonly outcome: WriteOutcome | undefined
  readonly text: string
}

/** A call of a listener. */
export interface Call {
  readonly id: number
  readonly group: string
  readonly member: string
  readonly queue: QueueName
  readonly copies: readonly Copy[]
  /** After this long its answer counts no more; `Infinity` in orderly mode. */
  readonly timeoutMs: number
}

/** What a group of the store looks like. */
export interface FoundGroup {
  readonly group: string
  readonly pendingRetryCount: number
  readonly offsets: readonly FoundOffsetOf[]
}

export interface FoundOffsetOf {
  /** The broadcasting member whose offset it is. */
  readonly member?: string | undefined
  readonly queue: QueueName
  readonly offset: number
}

export interface FoundQueue {
  readonly queue: QueueName
  readonly minOffset: number
  readonly maxOffset: number
  readonly copies: readonly Copy[]
}

export interface FoundTopic {
  readonly topic: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
}

/** All that a look at the store found while nothing moved. */
export interface Scan {
  readonly topics: readonly FoundTopic[]
  readonly queues: readonly FoundQueue[]
  readonly groups: readonly FoundGroup[]
  /** Messages that wait for their time. */
  readonly waiting: readonly FoundWaiting[]
  /** Transactions that have not ended. */
  readonly halves: readonly FoundHalf[]
  /** Problems that the store's own check names. */
  readonly problems: readonly string[]
  /** Reads that failed. */
  readonly failures: readonly string[]
  readonly probes: readonly IndexProbe[]
}

/** A question to an index, and its answer as places such as `orders/0:5`; of what waits, as numbers of messages. */
export type IndexProbe =
  | { readonly by: 'id'; readonly messageId: string; readonly found: readonly string[] }
  | { readonly by: 'key'; readonly topic: string; readonly key: string; readonly found: readonly string[] }
  | { readonly by: 'time'; readonly queue: QueueName; readonly timestamp: number; readonly offset: number }
  | {
      readonly by: 'due'
      readonly topic: string
      readonly begin: number
      readonly end: number
      readonly maxCount: number
      readonly found: readonly number[]
    }

type CrashKind = 'kill' | 'power'

/** A commit of an offset, as the engine sees it. */
export interface OffsetCommit {
  readonly id: number
  readonly group: string
  /** The broadcasting member whose offset it is. */
  readonly member?: string | undefined
  readonly queue: QueueName
  readonly offset: number
  /** The application chose where to go on. */
  readonly mayGoBack: boolean
}

export type SimEvent =
  | ConsumerEvent
  | DelayEvent
  | TransactionEvent
  | RequestEvent
  // ---- lives ----
  | { readonly type: 'opened'; readonly life: number }
  | { readonly type: 'open-failed'; readonly refusal: Refusal }
  | { readonly type: 'crashed'; readonly how: CrashKind }
  | { readonly type: 'closing' }
  /** The instance closed; with `refusal`, it said that it could not do so cleanly. */
  | {
      readonly type: 'closed'
      readonly drained: boolean
      readonly tookMs: number
      readonly refusal?: Refusal
    }
  | { readonly type: 'state'; readonly state: StoreState }
  | { readonly type: 'told'; readonly what: string; readonly text: string }
  | {
      readonly type: 'message-lost'
      readonly reason: string
      readonly queue: QueueName
      readonly fromOffset: number
      readonly toOffset: number
      readonly group: string | undefined
      readonly member: string | undefined
      /** Of those that waited for their time. */
      readonly delayedCount?: number
    }
  // ---- the world ----
  /** The wall clock is about to be set. */
  | { readonly type: 'jumping'; readonly byMs: number }
  | { readonly type: 'fault'; readonly what: string }
  /** The disk was asked to flush the journal, and did or did not. */
  | { readonly type: 'flushing'; readonly flush: number }
  | { readonly type: 'flushed'; readonly flush: number }
  | { readonly type: 'flush-failed'; readonly flush: number }
  /** Troubles are over: from here on everything must come to its end. */
  | { readonly type: 'calmed' }
  /** Nothing was left to deliver. */
  | { readonly type: 'drained' }
  /** What is sent from here on must arrive at once; until the end of the probe. */
  | { readonly type: 'probing' }
  | { readonly type: 'probed' }
  | { readonly type: 'overdue'; readonly what: string }
  | { readonly type: 'unhandled'; readonly text: string }
  // ---- producers ----
  | { readonly type: 'sending'; readonly send: SendCall }
  | { readonly type: 'stored'; readonly send: SendCall; readonly receipt: Receipt }
  | { readonly type: 'refused'; readonly send: SendCall; readonly refusal: Refusal }
  // ---- members ----
  | { readonly type: 'joining'; readonly group: string; readonly member: string }
  | { readonly type: 'joined'; readonly group: string; readonly member: string }
  | { readonly type: 'leaving'; readonly group: string; readonly member: string; readonly timeoutMs: number }
  | {
      readonly type: 'left'
      readonly group: string
      readonly member: string
      readonly drained: boolean
      readonly tookMs: number
    }
  | { readonly type: 'calling'; readonly call: Call }
  | {
      readonly type: 'answered'
      readonly call: Call
      /** How many of its messages, from the first on, succeeded. */
      readonly succeededCount: number
      /** What the listener wishes for those that failed; below 0: no further attempt. */
      readonly delayLevel: number
    }
  // ---- verbs of the clients, as the engine sees them ----
  | {
      readonly type: 'pulled'
      readonly group: string
      readonly queue: QueueName
      readonly from: number
      readonly status: string
      readonly nextOffset: number
      readonly minOffset: number
      /** Of the messages that it found. */
      readonly offsets: readonly number[]
    }
  /** A member asked where a queue begins. */
  | { readonly type: 'measured'; readonly queue: QueueName; readonly minOffset: number }
  | ({ readonly type: 'committing' } & OffsetCommit)
  | ({ readonly type: 'committed' } & OffsetCommit)
  | ({ readonly type: 'commit-failed'; readonly refusal: Refusal } & OffsetCommit)
  | { readonly type: 'sending-back'; readonly back: SendBackCall }
  | {
      readonly type: 'sent-back'
      readonly back: SendBackCall
      readonly outcome: 'retry' | 'dead-letter'
      readonly reconsumeTimes: number
      readonly dueTimestamp: number | undefined
    }
  | { readonly type: 'send-back-failed'; readonly back: SendBackCall; readonly refusal: Refusal }
  | {
      readonly type: 'locked'
      readonly group: string
      readonly member: string
      readonly asked: readonly QueueName[]
      readonly granted: readonly QueueName[]
    }
  | {
      readonly type: 'unlocked'
      readonly group: string
      readonly member: string
      readonly queues: readonly QueueName[]
    }
  | { readonly type: 'unregistered'; readonly group: string; readonly member: string }
  /** A fault of the test made a verb fail for a client, before or after it took effect. */
  | {
      readonly type: 'verb-failed'
      readonly verb: string
      readonly group: string | undefined
      /** The message that could not be sent back. */
      readonly copy?: Copy
    }
  // ---- operations ----
  | {
      readonly type: 'resetting'
      readonly id: number
      readonly group: string
      readonly topic: string
      /** By queue id. */
      readonly offsets: readonly (readonly [queueId: number, offset: number])[]
    }
  | {
      readonly type: 'reset'
      readonly id: number
      readonly group: string
      readonly topic: string
      /** By queue id. */
      readonly offsets: readonly (readonly [queueId: number, offset: number])[]
    }
  | { readonly type: 'reset-failed'; readonly id: number; readonly group: string; readonly refusal: Refusal }
  | { readonly type: 'topic-changing'; readonly topic: string; readonly change: 'put' | 'delete' }
  | {
      readonly type: 'topic-changed'
      readonly topic: string
      readonly change: 'put' | 'delete'
      readonly config?: FoundTopic
    }
  | { readonly type: 'topic-change-failed'; readonly topic: string; readonly change: 'put' | 'delete' }
  | { readonly type: 'scanned'; readonly scan: Scan }

/** A failed delivery on its way back to the engine. */
export interface SendBackCall {
  readonly id: number
  readonly group: string
  readonly copy: Copy
  readonly delayLevel: number
  readonly maxReconsumeTimes: number
}

export type SimEventOf<Type extends SimEvent['type']> = Extract<SimEvent, { readonly type: Type }>

/** When something happened. */
export interface Stamp {
  readonly step: number
  /** Milliseconds since the run began; jumps do not count. */
  readonly elapsedMs: number
  /** Milliseconds since 1970. */
  readonly wallMs: number
  readonly life: number
}

export function nameOf({ topic, queueId }: QueueName): string {
  return `${topic}/${queueId}`
}

export function placeOf(copy: Pick<Copy, 'queue' | 'offset'>): string {
  return `${nameOf(copy.queue)}:${copy.offset}`
}

/** Whose an offset is: that of a group, or of a broadcasting member. */
export function ownerOf({
  group,
  member,
}: {
  readonly group: string
  readonly member?: string | undefined
}): string {
  return member === undefined ? group : `${group}#${member}`
}

/** Messages that an application gets with this event. */
export function deliveryIn(
  event: SimEvent,
): { readonly group: string; readonly member: string; readonly copies: readonly Copy[] } | undefined {
  if (event.type === 'calling') return event.call
  return event.type === 'handed' ? event : undefined
}
