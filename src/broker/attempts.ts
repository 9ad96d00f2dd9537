/**
 * How often messages failed that stay in their place: one that a queue, or a message group in it, waits for, as its order
 * demands; one that a broadcasting member has for itself. Each is an alarm that never becomes due, cleared by the commit in
 * which the offset passes its message, so that neither a hand-over nor a crash begins to count anew. RocketMQ keeps the
 * numbers in the client, where both make it forget.
 *
 * With the number 0 such an alarm says that a message is done while one before it is not. That one must not outlive a reset
 * of the offset, or its message would be lost: the reset waits for what was taken before, and what comes while it is on its
 * way waits for its end, and is taken when it failed.
 */
import type { FailedAttempts } from '../model/engine.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import { groupQueueKey } from '../store/group-queue-key.ts'
import { NEVER } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { BroadcastOffsets } from './broadcast-offsets.ts'
import type { Groups } from './groups.ts'
import type { Topics } from './topics.ts'

/** What the store has room for; a message that fails ten times a second gets there after years. */
const MOST_ATTEMPTS = 2 ** 32 - 1

export interface AttemptsParts {
  readonly store: Store
  readonly groups: Groups
  readonly topics: Topics
  readonly broadcast: BroadcastOffsets
  /** Whether the offset of this queue is being set from outside. */
  isResetting(owner: GroupEntry, log: QueueLog): boolean
  /** Resolves, when that has ended, with whether it took effect. */
  resetEnd(): Promise<boolean>
}

interface AlarmId {
  readonly id: number
  /** How many commits under way put it. */
  commitCount: number
}

export class Attempts {
  readonly #store: Store
  readonly #groups: Groups
  readonly #topics: Topics
  readonly #broadcast: BroadcastOffsets
  readonly #isResetting: AttemptsParts['isResetting']
  readonly #resetEnd: AttemptsParts['resetEnd']
  /** Commits that have not been answered. */
  readonly #underWay = new Set<Promise<void>>()
  /** The alarms that these put, by queue and offset. */
  readonly #ids = new Map<string, Map<number, AlarmId>>()

  constructor({ store, groups, topics, broadcast, isResetting, resetEnd }: AttemptsParts) {
    this.#store = store
    this.#groups = groups
    this.#topics = topics
    this.#broadcast = broadcast
    this.#isResetting = isResetting
    this.#resetEnd = resetEnd
  }

  /** Resolves when everything that was taken so far is stored, or has failed. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }

  async query(group: string, queue: MessageQueue, clientId?: string): Promise<readonly FailedAttempts[]> {
    const owner = this.#owner(group, clientId)
    const log = this.#topics.log(queue)
    if (owner === undefined) return []
    return [...this.#store.alarms.attempts(owner.uid, log.uid).values()]
      .map(({ queueOffset, attempt }) => ({ queueOffset, reconsumeTimes: attempt }))
      .sort((a, b) => a.queueOffset - b.queueOffset)
  }

  /** Remembers the numbers of some messages, in one commit; those that were passed meanwhile need none. */
  async update(
    group: string,
    queue: MessageQueue,
    attempts: readonly FailedAttempts[],
    clientId?: string,
  ): Promise<void> {
    const owner = this.#owner(group, clientId)
    const log = this.#topics.log(queue)
    if (owner === undefined) return
    if (this.#isResetting(owner, log)) {
      if (await this.#resetEnd()) return
      return this.update(group, queue, attempts, clientId)
    }
    const passed = this.#store.offsets.get(owner, log) ?? 0
    // Of what is said twice the last counts.
    const wanted = new Map(
      attempts
        .filter(({ queueOffset }) => queueOffset >= passed)
        .map(({ queueOffset, reconsumeTimes }) => [queueOffset, reconsumeTimes]),
    )
    if (wanted.size > 0) await this.#commit(owner, log, wanted)
  }

  async #commit(owner: GroupEntry, log: QueueLog, wanted: ReadonlyMap<number, number>): Promise<void> {
    const key = groupQueueKey(owner.uid, log.uid)
    const ids = this.#ids.get(key) ?? new Map<number, AlarmId>()
    this.#ids.set(key, ids)
    const stored = this.#store.alarms.attempts(owner.uid, log.uid)
    const alarmsPut = [...wanted].map(([queueOffset, reconsumeTimes]): Alarm => {
      const id = this.#takeId(ids, queueOffset, stored.get(queueOffset))
      const place = { groupUid: owner.uid, queueUid: log.uid, queueOffset }
      const attempt = Math.min(reconsumeTimes, MOST_ATTEMPTS)
      return { id, kind: 'attempts', dueTimestamp: NEVER, ...place, attempt }
    })
    const commit = this.#store.commit({ alarmsPut })
    this.#underWay.add(commit)
    try {
      await commit
    } finally {
      this.#underWay.delete(commit)
      for (const queueOffset of wanted.keys()) giveBackId(ids, queueOffset)
      if (ids.size === 0) this.#ids.delete(key)
    }
  }

  /**
   * Each message keeps the alarm that it got first, so that there is never more than one for it: also when two numbers are on
   * their way at once, of which neither sees the other.
   */
  #takeId(ids: Map<number, AlarmId>, queueOffset: number, stored: Alarm | undefined): number {
    const id = ids.get(queueOffset) ?? { id: stored?.id ?? this.#store.alarms.takeId(), commitCount: 0 }
    id.commitCount += 1
    ids.set(queueOffset, id)
    return id.id
  }

  /** Under whose name they are stored; `undefined` for a member that does not come back. */
  #owner(group: string, clientId: string | undefined): GroupEntry | undefined {
    const entry = this.#groups.entry(group)
    return clientId === undefined ? entry : this.#broadcast.entry(group, clientId)
  }
}

function giveBackId(ids: Map<number, AlarmId>, queueOffset: number): void {
  const id = ids.get(queueOffset)
  if (id !== undefined && --id.commitCount === 0) ids.delete(queueOffset)
}

/** What a new offset makes obsolete; `mayGoBack`: it was set from outside, so that whatever was counted is over. */
export function passedAttempts(
  { alarms }: Store,
  owner: GroupEntry,
  log: QueueLog,
  offset: number,
  mayGoBack: boolean,
): readonly Alarm[] {
  const attempts = alarms.attempts(owner.uid, log.uid)
  if (attempts.size === 0) return NONE
  return [...attempts.values()].filter(({ queueOffset }) => mayGoBack || queueOffset < offset)
}

const NONE: readonly Alarm[] = Object.freeze([])
