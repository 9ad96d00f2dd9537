/**
 * What happened to every message, in order: the ledger of a test. It is written where the application looks: sends
 * before the engine sees them, deliveries around the listener, the rest from the engine's events.
 */
import type { MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { ReplyStatus } from '../model/reply.ts'
import type { SendStatus } from '../model/results.ts'

/** What every entry says. */
interface EntryBase {
  /** Counts from 1 over the whole ledger. */
  readonly number: number
  /** When, on the virtual clock, in milliseconds since 1970. */
  readonly timestamp: number
  /** The id that the message has from its first send to its dead letter. */
  readonly messageId: string
  /** The topic that it was first sent to. */
  readonly topic: string
}

/** What a message carries; part of the entry of its send, so that assertions can speak of it. */
export interface SentContent {
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly messageGroup?: string | undefined
  readonly body: Buffer
}

/**
 * One thing that happened to one message:
 *
 * - `sent`: a producer gave it to the engine; what is refused at the producer's door is not sent.
 * - `stored`: the engine has it, whether or not the sender was told; `deduplicated`: it had been stored before under its id, there, and nothing
 *   was stored; `send-failed`: the sender got an error.
 * - `delivered`: a listener was called with it, or an application received or polled it; retries are delivered too, with a
 *   higher `deliveryAttempt`.
 * - `acknowledged`: the listener succeeded; `failed`: it answered otherwise, threw, or took longer than its timeout. That
 *   the group's offset is stored comes a little later, and a crash or a fault may come between. What was received is
 *   acknowledged by `ack` and failed by `nack`; what was polled is acknowledged when its offset is committed.
 * - `retried`: after a failure it was scheduled to come again, at `dueTimestamp` (milliseconds since 1970); `reconsumeTimes`
 *   counts the failures so far.
 * - `dead-lettered`: it failed for good, and lies in `deadLetterTopic`.
 * - `dropped`: a broadcasting member gave it up; a broadcasting group has no dead letters.
 * - `replied`: a group replied to it, since it is a request; `status` says whether the requester still waited.
 * - `recalled`, `committed`, `rolled-back`: a delayed message was taken back, a half message was decided, where the
 *   engine offers that.
 */
export type LedgerEntry = EntryBase &
  (
    | (SentContent & { readonly type: 'sent'; readonly producerGroup: string })
    | {
        readonly type: 'stored'
        readonly queue: MessageQueue
        readonly queueOffset: number
        readonly status: SendStatus
      }
    | { readonly type: 'deduplicated'; readonly queue: MessageQueue; readonly queueOffset: number }
    | { readonly type: 'send-failed'; readonly error: MQError }
    | {
        readonly type: 'delivered'
        readonly group: string
        readonly clientId: string
        readonly queue: MessageQueue
        readonly queueOffset: number
        readonly deliveryAttempt: number
      }
    | {
        readonly type: 'acknowledged'
        readonly group: string
        readonly clientId: string
        readonly deliveryAttempt: number
      }
    | {
        readonly type: 'failed'
        readonly group: string
        readonly clientId: string
        readonly deliveryAttempt: number
        readonly reason: string
      }
    | {
        readonly type: 'retried'
        readonly group: string
        readonly reconsumeTimes: number
        readonly dueTimestamp: number
        readonly reason: string
      }
    | {
        readonly type: 'dead-lettered'
        readonly group: string
        readonly deadLetterTopic: string
        readonly reconsumeTimes: number
        readonly reason: string
      }
    | {
        readonly type: 'dropped'
        readonly group: string
        readonly clientId: string
        readonly queue: MessageQueue
        readonly queueOffset: number
        readonly reconsumeTimes: number
        readonly reason: string
      }
    | { readonly type: 'replied'; readonly group: string; readonly status: ReplyStatus }
    | { readonly type: 'recalled' }
    | { readonly type: 'committed'; readonly producerGroup: string }
    | { readonly type: 'rolled-back'; readonly producerGroup: string }
  )

/** The names of what can happen. */
export type LedgerEventType = LedgerEntry['type']
/** The entry of one kind. */
export type LedgerEntryOf<Type extends LedgerEventType> = Extract<LedgerEntry, { readonly type: Type }>

type WithoutStamp<Entry> = Entry extends LedgerEntry ? Omit<Entry, 'number' | 'timestamp'> : never

/** The record of a test. */
export class Ledger {
  readonly #now: () => number
  #entries: LedgerEntry[] = []
  readonly #contents = new Map<string, SentContent>()
  readonly #watchers = new Set<(entry: LedgerEntry) => void>()
  #count = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** All that happened, oldest first. */
  get entries(): readonly LedgerEntry[] {
    return this.#entries
  }

  /** Entries of one kind. */
  of<Type extends LedgerEventType>(type: Type): LedgerEntryOf<Type>[] {
    return this.#entries.filter((entry): entry is LedgerEntryOf<Type> => entry.type === type)
  }

  /** The life of one message. */
  history(messageId: string): LedgerEntry[] {
    return this.#entries.filter((entry) => entry.messageId === messageId)
  }

  /** What a message carries, if it was sent or delivered since the test began. */
  contentOf(messageId: string): SentContent | undefined {
    return this.#contents.get(messageId)
  }

  /** Forgets what happened, for a test that asserts on what comes next only. `explain` cannot tell of what is forgotten. */
  clear(): void {
    this.#entries = []
  }

  /** Notes what a message carries that was sent before this ledger began: in another life, or before a fork. */
  noteContent(messageId: string, content: () => SentContent): void {
    if (!this.#contents.has(messageId)) this.#contents.set(messageId, content())
  }

  /** Writes an entry down; tests read, the parts of the test instance write. */
  record(entry: WithoutStamp<LedgerEntry>): void {
    if (entry.type === 'sent') this.noteContent(entry.messageId, () => entry)
    this.#count += 1
    const stamped = { ...entry, number: this.#count, timestamp: this.#now() } as LedgerEntry
    this.#entries.push(stamped)
    for (const watch of this.#watchers) watch(stamped)
  }

  /** Tells of every new entry until the returned function is called. */
  watch(listener: (entry: LedgerEntry) => void): () => void {
    this.#watchers.add(listener)
    return () => this.#watchers.delete(listener)
  }
}
