/**
 * How often messages failed that stay in their place: one that a queue, or a message group in it, waits for, as its order
 * demands; one that a broadcasting member has for itself. Each is an alarm that never becomes due, cleared by the commit in
 * which the offset passes its message, so that neither a hand-over nor a crash begins to count anew. RocketMQ keeps the
 * numbers in the client, where both make it forget.
 *
 * With the number 0 such an alarm says that a message is done while one before it is not. That one must not outlive a reset
 * of the offset, or its message would be lost: while a reset is on its way nothing is taken, and the reset waits for what
 * was taken before.
 */
import type { FailedAttempts } from '../model/engine.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm, AlarmSpec } from '../store/fact.ts'
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
}

export class Attempts {
  readonly #store: Store
  readonly #groups: Groups
  readonly #topics: Topics
  readonly #broadcast: BroadcastOffsets
  readonly #isResetting: (owner: GroupEntry, log: QueueLog) => boolean
  /** Commits that have not been answered. */
  readonly #underWay = new Set<Promise<void>>()

  constructor({ store, groups, topics, broadcast, isResetting }: AttemptsParts) {
    this.#store = store
    this.#groups = groups
    this.#topics = topics
    this.#broadcast = broadcast
    this.#isResetting = isResetting
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

  /** Remembers the number of one message; one that was passed meanwhile needs none. */
  async update(
    group: string,
    queue: MessageQueue,
    { queueOffset, reconsumeTimes }: FailedAttempts,
    clientId?: string,
  ): Promise<void> {
    const owner = this.#owner(group, clientId)
    const log = this.#topics.log(queue)
    if (owner === undefined || queueOffset < (this.#store.offsets.get(owner, log) ?? 0)) return
    if (this.#isResetting(owner, log)) return
    const before = this.#store.alarms.attempts(owner.uid, log.uid).get(queueOffset)
    // A new alarm each time: a clear that is on its way means the one that it saw.
    const alarm: AlarmSpec = {
      kind: 'attempts',
      dueTimestamp: NEVER,
      groupUid: owner.uid,
      queueUid: log.uid,
      queueOffset,
      attempt: Math.min(reconsumeTimes, MOST_ATTEMPTS),
    }
    const commit = this.#store.commit({
      alarmsSet: [alarm],
      alarmsCleared: before === undefined ? [] : [before],
    })
    this.#underWay.add(commit)
    await commit.finally(() => this.#underWay.delete(commit))
  }

  /** Under whose name they are stored; `undefined` for a member that does not come back. */
  #owner(group: string, clientId: string | undefined): GroupEntry | undefined {
    const entry = this.#groups.entry(group)
    return clientId === undefined ? entry : this.#broadcast.entry(group, clientId)
  }
}

/** What a new offset makes obsolete; `force`: it was set from outside, so that whatever was counted is over. */
export function passedAttempts(
  { alarms }: Store,
  owner: GroupEntry,
  log: QueueLog,
  offset: number,
  force: boolean,
): readonly Alarm[] {
  const attempts = alarms.attempts(owner.uid, log.uid)
  if (attempts.size === 0) return NONE
  return [...attempts.values()].filter(({ queueOffset }) => force || queueOffset < offset)
}

const NONE: readonly Alarm[] = Object.freeze([])
