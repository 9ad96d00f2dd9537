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
import type { CommittedMessage, ConsumedOnce, Inbox } from '../model/inbox.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { OwnContext } from '../model/own-context.ts'
import { retryTopicOf } from '../model/topic.ts'
import type { ApplicationRows } from './rows.ts'

/** How often rows are looked at that may go. */
const CLEAN_INTERVAL_MS = 10_000

/** What a row says: where the copy lies that was consumed. */
interface StoredRow {
  readonly queue: MessageQueue
  readonly queueOffset: number
}

interface Row extends StoredRow {
  /** The topic that the message was sent to. */
  readonly topic: string
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
  /** By group, then by what names a message there. */
  readonly #groups = new Map<string, Map<string, Row>>()
  /** By key. */
  readonly #underWay = new Map<string, UnderWay>()
  readonly #unwatch: () => void
  /** Rows are looked at again and again in it, whoever committed the first. */
  readonly #context = new OwnContext()
  #cleaning: Timer | undefined
  #cleaned: Promise<void> = Promise.resolve()
  #isStopped = false

  private constructor(rows: ApplicationRows, host: InboxHost) {
    this.#host = host
    this.#rows = rows
    this.#unwatch = host.engine.watch((event) => {
      if (event.type === 'offset-reset') void this.#forgetWhere(event.group, isOf(event.topic))
      if (event.type === 'group-deleted') void this.#forgetWhere(event.group, () => true)
    })
  }

  /** Reads the rows that earlier lives have left. */
  static async open(rows: ApplicationRows, host: InboxHost): Promise<DatabaseInbox> {
    const inbox = new DatabaseInbox(rows, host)
    for (const [key, row] of await rows.inbox.iterator().all()) {
      const [group, topic, messageId] = key.split('/')
      if (group === undefined || topic === undefined || messageId === undefined || !isRow(row)) continue
      const { queue, queueOffset } = row
      inbox.#add(group, nameOf({ topic, messageId }), { topic, queue, queueOffset, isInherited: true })
    }
    await inbox.#forgetGroupsGone()
    return inbox
  }

  isCommitted(group: string, message: ConsumedOnce): boolean {
    return this.#groups.get(group)?.has(nameOf(message)) === true
  }

  async settled(group: string, message: ConsumedOnce): Promise<void> {
    await this.#underWay.get(keyOf(group, nameOf(message)))?.done
  }

  async commit(
    group: string,
    messages: readonly CommittedMessage[],
    batch: ChainedBatch,
    options: object | undefined,
  ): Promise<void> {
    if (this.#isStopped) throw new MQError('CLOSED', 'The instance is closed.')
    for (const { message } of messages) this.#checkOpen(group, message)
    const rows = new Map(messages.map((committed) => [nameOf(committed.message), rowOf(committed)]))
    const stored = [...rows].map(
      ([name, { queue, queueOffset }]) => [keyOf(group, name), { queue, queueOffset }] as const,
    )
    this.#rows.put(batch, this.#rows.inbox, stored)

    let onDone: () => void = () => undefined
    const done = new Promise<void>((resolve) => {
      onDone = resolve
    })
    const underWay = [...rows].map(([name, row]) => [name, { row, done, isVoid: false }] as const)
    for (const [name, each] of underWay) this.#underWay.set(keyOf(group, name), each)
    try {
      await this.#write(batch, options, stored[0]![0])
      for (const [name, { row, isVoid }] of underWay) if (!isVoid) this.#add(group, name, row)
      await this.#remove(underWay.filter(([, { isVoid }]) => isVoid).map(([name]) => keyOf(group, name)))
    } finally {
      for (const name of rows.keys()) this.#underWay.delete(keyOf(group, name))
      onDone()
    }
  }

  /** Lets rows go that are of no use any more, for the last time; also waits for those that are on their way out. */
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
  #checkOpen(group: string, message: ConsumedOnce): void {
    if (!this.isCommitted(group, message) && !this.#underWay.has(keyOf(group, nameOf(message)))) return
    throw new MQError(
      'ILLEGAL_OPERATION',
      `The message ${message.messageId} is committed by '${group}' already.`,
      {
        outcome: 'not-attempted',
      },
    )
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

  #add(group: string, name: string, row: Row): void {
    const rows = this.#groups.get(group) ?? new Map<string, Row>()
    this.#groups.set(group, rows.set(name, row))
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

  /** One time behind the other: what is under way may go by offsets that are old by now. */
  #clean(): Promise<void> {
    this.#cleaned = this.#cleaned.then(() => this.#cleanNow())
    return this.#cleaned
  }

  async #cleanNow(): Promise<void> {
    try {
      const spent: (readonly [group: string, names: readonly string[]])[] = []
      for (const [group, rows] of this.#groups) spent.push([group, await this.#spentOf(group, rows)])
      if (spent.every(([, names]) => names.length === 0)) return
      // A power cut must not bring messages back whose rows are gone.
      await this.#host.engine.flush()
      for (const [group, names] of spent) await this.#forget(group, names)
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
    }
  }

  /** The messages of a group that cannot come again. */
  async #spentOf(group: string, rows: ReadonlyMap<string, Row>): Promise<readonly string[]> {
    const offsets = new Map<string, number>()
    const isQuiet = await this.#isQuiet(group)
    const spent: string[] = []
    for (const [name, { queue, queueOffset, isInherited }] of rows) {
      const place = `${queue.topic}@${queue.brokerName}@${queue.queueId}`
      if (!offsets.has(place)) offsets.set(place, await this.#reached(group, queue))
      if (queueOffset < (offsets.get(place) ?? 0) && (isQuiet || !isInherited)) spent.push(name)
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

  /** What is delivered again is meant to be: offsets were set from outside, or the group is another one by now. */
  async #forgetWhere(group: string, isMeant: (row: Row) => boolean): Promise<void> {
    for (const [key, each] of this.#underWay)
      if (key.startsWith(`${group}/`) && isMeant(each.row)) each.isVoid = true
    const rows = [...(this.#groups.get(group) ?? [])].filter(([, row]) => isMeant(row))
    const names = rows.map(([name]) => name)
    await this.#forget(group, names).catch((error: unknown) => this.#host.emit('error', MQError.from(error)))
  }

  /** *Crash between the end of a group and that of its rows: another one of its name must not inherit them.* */
  async #forgetGroupsGone(): Promise<void> {
    if (this.#groups.size === 0) return
    const known = new Set((await this.#host.engine.queryGroups()).map(({ group }) => group))
    for (const group of this.#groups.keys()) if (!known.has(group)) await this.#forgetWhere(group, () => true)
  }

  #forget(group: string, names: readonly string[]): Promise<void> {
    const rows = this.#groups.get(group)
    for (const name of names) rows?.delete(name)
    if (rows?.size === 0) this.#groups.delete(group)
    return this.#remove(names.map((name) => keyOf(group, name)))
  }

  async #remove(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#rows.inbox.batch(keys.map((key) => ({ type: 'del', key })))
  }
}

/** Names of groups and topics hold no slash. */
function keyOf(group: string, name: string): string {
  return `${group}/${name}`
}

function nameOf({ topic, messageId }: ConsumedOnce): string {
  return `${topic}/${messageId}`
}

function rowOf({ message, isInherited }: CommittedMessage): Row {
  const { topic, queue, queueOffset } = message
  const { brokerName, queueId } = queue
  return { topic, queue: { topic: queue.topic, brokerName, queueId }, queueOffset, isInherited }
}

/** Whether it is for a message of this topic, or one that lies in it as a retry. */
function isOf(topic: string): (row: Row) => boolean {
  return (row) => row.topic === topic || row.queue.topic === topic
}

/** Others may have rows beside ours. */
function isRow(value: unknown): value is StoredRow {
  if (typeof value !== 'object' || value === null || !('queue' in value) || !('queueOffset' in value))
    return false
  const { queue, queueOffset } = value
  return typeof queue === 'object' && queue !== null && 'topic' in queue && typeof queueOffset === 'number'
}

function isGone(error: unknown): boolean {
  return (
    error instanceof MQError &&
    (error.code === 'TOPIC_NOT_EXIST' || error.code === 'SUBSCRIPTION_GROUP_NOT_EXIST')
  )
}
