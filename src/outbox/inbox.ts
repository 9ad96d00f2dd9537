/**
 * Knows which messages the listeners of a group have done together with their own state, in one batch of the application's own database.
 *
 * `commit` adds a row for each message to the batch. A message with a row is not delivered again. *Crash after the write: the group has not
 * acknowledged the message, and the row does it when the message is fetched. Crash before it: neither state nor row is there.*
 *
 * A row goes when its message cannot come again: the group's offset has passed it, on the disk, and no earlier life can have left a
 * retry of it, or the group waits for no retries at all. All rows are in memory, so a look costs nothing.
 */
import type { ChainedBatch } from '../model/chained-batch.ts'
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { CommittedMessage, Inbox } from '../model/inbox.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { OwnContext } from '../model/own-context.ts'
import { retryTopicOf } from '../model/topic.ts'
import type { ApplicationRows } from './rows.ts'

/** How often rows are looked at that may go. */
const CLEAN_INTERVAL_MS = 10_000

/** What a row says. */
interface StoredRow {
  /** The topic that the message was sent to. */
  readonly topic: string
  /** Where the copy lies that was consumed. */
  readonly queue: MessageQueue
  readonly queueOffset: number
}

interface Row extends StoredRow {
  /** A retry of the message may be on its way that this life knows nothing of. */
  readonly isInherited: boolean
}

export interface InboxHost {
  readonly engine: Engine
  readonly emit: EmitEvent
}

interface UnderWay {
  readonly row: Row
  readonly done: Promise<void>
  /** Offsets were set from outside meanwhile: the message is to come again. */
  isVoid: boolean
}

export class DatabaseInbox implements Inbox {
  readonly #host: InboxHost
  readonly #rows: ApplicationRows
  /** By group, then by message id. */
  readonly #groups = new Map<string, Map<string, Row>>()
  /** By key. */
  readonly #underWay = new Map<string, UnderWay>()
  readonly #unwatch: () => void
  /** Rows are looked at again and again in it, whoever committed the first. */
  readonly #context = new OwnContext()
  #cleaning: Timer | undefined
  #isStopped = false

  private constructor(rows: ApplicationRows, host: InboxHost) {
    this.#host = host
    this.#rows = rows
    this.#unwatch = host.engine.watch((event) => {
      if (event.type === 'offset-reset') void this.#forgetTopic(event.group, event.topic)
    })
  }

  /** Reads the rows that earlier lives have left. */
  static async open(rows: ApplicationRows, host: InboxHost): Promise<DatabaseInbox> {
    const inbox = new DatabaseInbox(rows, host)
    for (const [key, value] of await rows.inbox.iterator().all()) {
      const [group = '', messageId = ''] = key.split('/')
      inbox.#add(group, messageId, { ...(value as StoredRow), isInherited: true })
    }
    return inbox
  }

  isCommitted(group: string, messageId: string): boolean {
    return this.#groups.get(group)?.has(messageId) === true
  }

  async settled(group: string, messageId: string): Promise<void> {
    await this.#underWay.get(keyOf(group, messageId))?.done
  }

  async commit(
    group: string,
    messages: readonly CommittedMessage[],
    batch: ChainedBatch,
    options: object | undefined,
  ): Promise<void> {
    if (this.#isStopped) throw new MQError('CLOSED', 'The instance is closed.')
    for (const { message } of messages) this.#checkOpen(group, message.messageId)
    const rows = new Map(messages.map((committed) => [committed.message.messageId, rowOf(committed)]))
    const stored = [...rows].map(([id, { isInherited: _, ...row }]) => [keyOf(group, id), row] as const)
    this.#rows.put(batch, this.#rows.inbox, stored)

    let onDone: () => void = () => undefined
    const done = new Promise<void>((resolve) => {
      onDone = resolve
    })
    const underWay = [...rows].map(([id, row]) => [id, { row, done, isVoid: false }] as const)
    for (const [id, each] of underWay) this.#underWay.set(keyOf(group, id), each)
    try {
      await this.#write(batch, options, stored[0]![0])
      for (const [id, { row, isVoid }] of underWay) if (!isVoid) this.#add(group, id, row)
      await this.#remove(underWay.filter(([, { isVoid }]) => isVoid).map(([id]) => keyOf(group, id)))
    } finally {
      for (const id of rows.keys()) this.#underWay.delete(keyOf(group, id))
      onDone()
    }
  }

  /** Lets rows go that are of no use any more, for the last time. */
  async close(): Promise<void> {
    this.stop()
    await this.#clean()
  }

  stop(): void {
    this.#isStopped = true
    this.#unwatch()
    this.#cleaning?.cancel()
  }

  /** One listener at a time may end a message, whichever members it was given to. */
  #checkOpen(group: string, messageId: string): void {
    if (!this.isCommitted(group, messageId) && !this.#underWay.has(keyOf(group, messageId))) return
    throw new MQError('ILLEGAL_OPERATION', `The message ${messageId} is committed by '${group}' already.`, {
      outcome: 'not-attempted',
    })
  }

  /** A write that failed may have been written all the same: its row tells. */
  async #write(batch: ChainedBatch, options: object | undefined, key: string): Promise<void> {
    try {
      await batch.write(options)
    } catch (cause) {
      const row = await this.#rows.inbox.get(key).catch(() => undefined)
      if (row !== undefined) return
      const text = `Your database did not write the batch: ${MQError.from(cause).message}`
      throw new MQError('BATCH_FAILED', text, { cause, outcome: 'unknown' })
    }
  }

  #add(group: string, messageId: string, row: Row): void {
    const rows = this.#groups.get(group) ?? new Map<string, Row>()
    this.#groups.set(group, rows.set(messageId, row))
    this.#cleanLater()
  }

  #cleanLater(): void {
    if (this.#isStopped || this.#groups.size === 0) return
    const { clock } = this.#host.engine
    const clean = async (): Promise<void> => {
      await this.#clean()
      this.#cleaning = undefined
      this.#cleanLater()
    }
    this.#cleaning ??= this.#context.run(() => clock.setTimer(CLEAN_INTERVAL_MS, () => void clean()))
  }

  async #clean(): Promise<void> {
    try {
      const spent: (readonly [group: string, messageIds: readonly string[]])[] = []
      for (const [group, rows] of this.#groups) spent.push([group, await this.#spentOf(group, rows)])
      if (spent.every(([, ids]) => ids.length === 0)) return
      // A power cut must not bring messages back whose rows are gone.
      await this.#host.engine.flush()
      for (const [group, ids] of spent) await this.#forget(group, ids)
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
    }
  }

  /** The messages of a group that cannot come again. */
  async #spentOf(group: string, rows: ReadonlyMap<string, Row>): Promise<readonly string[]> {
    const offsets = new Map<string, number>()
    const isQuiet = await this.#isQuiet(group)
    const spent: string[] = []
    for (const [id, { queue, queueOffset, isInherited }] of rows) {
      const place = `${queue.topic}@${queue.brokerName}@${queue.queueId}`
      if (!offsets.has(place)) offsets.set(place, await this.#reached(group, queue))
      if (queueOffset < (offsets.get(place) ?? 0) && (isQuiet || !isInherited)) spent.push(id)
    }
    return spent
  }

  /** Where the group stands; at the end of all for a queue that is gone. */
  async #reached(group: string, queue: MessageQueue): Promise<number> {
    try {
      return (await this.#host.engine.queryConsumerOffset(group, queue)) ?? 0
    } catch (error) {
      if (isGone(error)) return Number.POSITIVE_INFINITY
      throw error
    }
  }

  /** Whether the group waits for no retries, neither in an alarm nor in its retry topic. */
  async #isQuiet(group: string): Promise<boolean> {
    try {
      const { queues, pendingRetryCount } = await this.#host.engine.consumerProgress(group)
      const retryTopic = retryTopicOf(group)
      return (
        pendingRetryCount === 0 && queues.every(({ queue, lag }) => queue.topic !== retryTopic || lag === 0)
      )
    } catch (error) {
      if (isGone(error)) return true
      throw error
    }
  }

  /** Offsets were set from outside: what is delivered again is meant to be. */
  async #forgetTopic(group: string, topic: string): Promise<void> {
    const isMeant = (row: Row): boolean => row.topic === topic || row.queue.topic === topic
    for (const [key, each] of this.#underWay)
      if (key.startsWith(`${group}/`) && isMeant(each.row)) each.isVoid = true
    const rows = [...(this.#groups.get(group) ?? [])].filter(([, row]) => isMeant(row))
    try {
      await this.#forget(
        group,
        rows.map(([id]) => id),
      )
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
    }
  }

  #forget(group: string, messageIds: readonly string[]): Promise<void> {
    const rows = this.#groups.get(group)
    for (const id of messageIds) rows?.delete(id)
    if (rows?.size === 0) this.#groups.delete(group)
    return this.#remove(messageIds.map((id) => keyOf(group, id)))
  }

  async #remove(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#rows.inbox.batch(keys.map((key) => ({ type: 'del', key })))
  }
}

/** A group name holds no slash. */
function keyOf(group: string, messageId: string): string {
  return `${group}/${messageId}`
}

function rowOf({ message, isInherited }: CommittedMessage): Row {
  const { topic, queue, queueOffset } = message
  const { brokerName, queueId } = queue
  return { topic, queue: { topic: queue.topic, brokerName, queueId }, queueOffset, isInherited }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof MQError &&
    (error.code === 'TOPIC_NOT_EXIST' || error.code === 'SUBSCRIPTION_GROUP_NOT_EXIST')
  )
}
