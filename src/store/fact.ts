/**
 * Facts: everything that a store ever changes. A commit group is a list of facts that takes one journal frame; one pure
 * function (`apply.ts`) turns facts into rows of the databases, live, at recovery and on a replica alike.
 *
 * Each fact has a sequence number: that of its frame plus its place in it. For an append it is the key in the commit log.
 */
import type { GroupConfig, TopicConfig } from '../model/topic.ts'

/** What an alarm will do when it is due. */
export type AlarmKind = 'retry' | 'delay' | 'transaction' | 'pop' | 'pop-orderly' | 'attempts'

/** Kinds whose message lies with its alarm, in no queue yet: nobody sees it before it is due, and retention leaves it alone. */
const PARKING_KINDS: ReadonlySet<AlarmKind> = new Set<AlarmKind>(['delay', 'transaction'])

/** Whether the message of an alarm is parked with it; its queue is then the one that it is for. */
export function isParking({ kind }: Pick<AlarmSpec, 'kind'>): boolean {
  return PARKING_KINDS.has(kind)
}

/** Something that must happen later to a stored message. */
export interface AlarmSpec {
  readonly dueTimestamp: number
  readonly kind: AlarmKind
  readonly groupUid: number
  readonly queueUid: number
  readonly queueOffset: number
  /** For a retry: the reconsume times that the redelivered copy will have. For pops see `invisible-run.ts`; for attempts, how many. */
  readonly attempt: number
}

/** The group of an alarm that belongs to none: of a delayed message, and of a transaction. */
export const NO_GROUP = 0

/** An alarm that is set. Ids ascend, so alarms of one due time keep the order they were set in. */
export interface Alarm extends AlarmSpec {
  readonly id: number
}

/** Lowest offset that a queue still has after a trim. */
export interface QueueMinimum {
  readonly queueUid: number
  readonly minOffset: number
}

/** The settings of a group as they are stored: one that an earlier release stored lacks what came later. */
export type StoredGroupConfig = Partial<GroupConfig> & Pick<GroupConfig, 'group'>

export type Fact =
  /** Messages of one queue; the bytes are a record batch. */
  | { readonly type: 'append'; readonly bytes: Buffer }
  | { readonly type: 'offset'; readonly groupUid: number; readonly queueUid: number; readonly offset: number }
  | { readonly type: 'offset-clear'; readonly groupUid: number; readonly queueUid: number }
  | { readonly type: 'alarm-set'; readonly alarm: Alarm }
  | { readonly type: 'alarm-clear'; readonly id: number; readonly dueTimestamp: number }
  /** An alarm, and the message that lies with it: a record batch of one record, which belongs to no queue. */
  | { readonly type: 'parked-put'; readonly alarm: Alarm; readonly bytes: Buffer }
  /** Both go together. */
  | { readonly type: 'parked-clear'; readonly id: number; readonly dueTimestamp: number }
  | { readonly type: 'topic-put'; readonly uid: number; readonly config: TopicConfig }
  | { readonly type: 'topic-delete'; readonly uid: number }
  | { readonly type: 'group-put'; readonly uid: number; readonly config: StoredGroupConfig }
  | { readonly type: 'group-delete'; readonly uid: number }
  /** Ids from first to last, both 16 bytes, ascend through the messages of this frame that have no rows of their own. */
  | { readonly type: 'id-run'; readonly first: Buffer; readonly last: Buffer }
  /** Rows from `firstSeq` on belong to this generation: the unit of retention. */
  | {
      readonly type: 'generation'
      readonly generation: number
      readonly firstSeq: number
      readonly timestamp: number
      /** Bytes of all record batches before it. */
      readonly logBytes: number
    }
  /** Generations before this one, and log rows before `beforeSeq`, are no longer valid. */
  | {
      readonly type: 'trim'
      readonly generation: number
      readonly beforeSeq: number
      readonly minimums: readonly QueueMinimum[]
    }
