/**
 * The progress of groups: the next offset to consume, by queue. Progress only moves forward, except by a reset, or when the
 * application itself goes back. What members commit for a queue while its reset is on its way waits for the end of that: a reset
 * that takes effect comes behind it, as they did not know of it yet, and one that fails leaves it as it is.
 */
import { invalidParameter } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { OffsetChange } from '../store/change.ts'
import type { Alarm } from '../store/fact.ts'
import { groupQueueKey } from '../store/group-queue-key.ts'
import { searchOffset } from '../store/queries.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import { passedAttempts } from './attempts.ts'
import type { BroadcastOffsets } from './broadcast-offsets.ts'
import type { Groups } from './groups.ts'
import type { Serial } from './serial.ts'
import type { Topics } from './topics.ts'

/** What a reset makes void. */
export interface PreparedReset {
  /** Alarms that have no meaning any more. */
  readonly alarms: readonly Alarm[]
  /** The reset could not be stored: nothing is void. */
  undo(): void
}

const NOTHING_TO_END: PreparedReset = Object.freeze({ alarms: [], undo: () => undefined })

export class ConsumerOffsets {
  readonly #store: Store
  readonly #topics: Topics
  readonly #groups: Groups
  readonly #broadcast: BroadcastOffsets
  readonly #announcer: Announcer
  readonly #serial: Serial

  /** Queues and groups of the reset that is being committed. */
  readonly #resetting = new Set<string>()
  /** Whether that took effect, once it has ended. */
  #resetEnd: Promise<boolean> = Promise.resolve(true)

  /** Called before offsets of a group are reset, while nothing more is taken. */
  beforeReset: (group: GroupEntry, logs: readonly QueueLog[]) => Promise<PreparedReset> = async () =>
    NOTHING_TO_END

  constructor(
    store: Store,
    topics: Topics,
    groups: Groups,
    announcer: Announcer,
    serial: Serial,
    broadcast: BroadcastOffsets,
  ) {
    this.#store = store
    this.#topics = topics
    this.#groups = groups
    this.#announcer = announcer
    this.#serial = serial
    this.#broadcast = broadcast
  }

  async query(group: string, queue: MessageQueue, clientId?: string): Promise<number | undefined> {
    const entry = this.#groups.entry(group)
    const log = this.#topics.log(queue)
    if (clientId !== undefined) return this.#broadcast.offset(group, clientId, log)
    return this.#store.offsets.get(entry, log)
  }

  async update(
    group: string,
    queue: MessageQueue,
    offset: number,
    mayGoBack: boolean,
    clientId?: string,
  ): Promise<void> {
    const entry = this.#groups.entry(group)
    const log = this.#topics.log(queue)
    checkOffset(log, offset, 0)
    const owner = clientId === undefined ? entry : this.#broadcast.entry(group, clientId)
    if (owner !== undefined) {
      if (!this.isResetting(owner, log)) return this.#update(owner, log, offset, mayGoBack)
      if (!(await this.#resetEnd)) await this.update(group, queue, offset, mayGoBack, clientId)
    } else if (clientId !== undefined) {
      // A member without a name that has left meanwhile has no offsets any more.
      const passing = this.#broadcast.passing(group, clientId)
      if (mayGoBack || offset > (passing?.get(log.uid) ?? -1)) passing?.set(log.uid, offset)
    }
  }

  async #update(entry: GroupEntry, log: QueueLog, offset: number, mayGoBack: boolean): Promise<void> {
    await this.#store.commit({
      offsets: [{ group: entry, log, offset, mayGoBack }],
      alarmsCleared: passedAttempts(this.#store, entry, log, offset, mayGoBack),
    })
  }

  /** Sets offsets by queue id, all or none, and tells the members in the turn in which that took effect. */
  reset(group: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    return this.#serial.run(() => {
      const reset = this.#reset(group, topic, offsets)
      this.#resetEnd = reset.then(
        () => true,
        () => false,
      )
      return reset
    })
  }

  /** Whether the offset of this queue is being set from outside, so that what anybody else commits for it has to wait. */
  readonly isResetting = (group: GroupEntry, log: QueueLog): boolean =>
    this.#resetting.size > 0 && this.#resetting.has(groupQueueKey(group.uid, log.uid))

  /** Resolves, when the reset under way has ended, with whether it took effect. */
  readonly resetEnd = (): Promise<boolean> => this.#resetEnd

  async #reset(group: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    const places = [...offsets].map(([queueId, offset]) => {
      const log = this.#topics.logOfId(topic, queueId)
      checkOffset(log, offset, log.minOffset)
      return { log, offset, mayGoBack: true }
    })
    const owners = this.#ownersToReset(this.#groups.entry(group))
    const changes = owners.flatMap((owner) => places.map((place) => ({ group: owner, ...place })))

    for (const { group: owner, log } of changes) this.#resetting.add(groupQueueKey(owner.uid, log.uid))
    try {
      await this.#commitReset(changes)
      for (const passing of this.#broadcast.allPassing(group)) {
        for (const { log, offset } of places) passing.set(log.uid, offset)
      }
      this.#announcer.tell({ type: 'offset-reset', group, topic })
    } finally {
      this.#resetting.clear()
    }
  }

  async #commitReset(changes: readonly OffsetChange[]): Promise<void> {
    const logs = new Map<GroupEntry, QueueLog[]>()
    for (const { group, log } of changes) logs.set(group, [...(logs.get(group) ?? []), log])
    const prepared = await Promise.all([...logs].map((each) => this.beforeReset(...each)))
    const passed = changes.flatMap(({ group, log, offset }) =>
      passedAttempts(this.#store, group, log, offset, true),
    )
    try {
      const received = prepared.flatMap(({ alarms }) => alarms)
      await this.#store.commit({ offsets: changes, alarmsCleared: [...received, ...passed] })
    } catch (error) {
      for (const each of prepared) each.undo()
      throw error
    }
  }

  /** A group whose members are all broadcasting has no offsets of its own, and is not given any. */
  #ownersToReset(entry: GroupEntry): GroupEntry[] {
    const { group } = entry.config
    const members = this.#broadcast.entries(group)
    const isBroadcastOnly =
      this.#broadcast.clientIds(group).length > 0 && this.#store.offsets.ofGroup(entry.uid).size === 0
    return isBroadcastOnly ? members : [entry, ...members]
  }

  async minOffset(queue: MessageQueue): Promise<number> {
    return this.#topics.log(queue).minOffset
  }

  async maxOffset(queue: MessageQueue): Promise<number> {
    return this.#topics.log(queue).maxOffset
  }

  async searchOffset(queue: MessageQueue, timestamp: number): Promise<number> {
    return searchOffset(this.#topics.log(queue), timestamp)
  }
}

/** An offset beyond the end would skip messages that are yet to come, such as after the topic was made anew. */
function checkOffset({ queue, maxOffset }: QueueLog, offset: number, lowest: number): void {
  if (Number.isInteger(offset) && offset >= lowest && offset <= maxOffset) return
  const { topic, queueId } = queue
  throw invalidParameter(
    `The offset of queue ${queueId} of '${topic}' must be from ${lowest} to ${maxOffset}, not ${offset}.`,
  )
}
