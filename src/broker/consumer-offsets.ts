/**
 * The progress of groups: the next offset to consume, by queue. Progress only moves forward, except by a reset; while a
 * reset is on its way, what members commit for its queues is ignored, as they do not know of it yet.
 */
import { invalidParameter } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { GroupEntry } from '../store/catalog.ts'
import { searchOffset } from '../store/queries.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import type { Groups } from './groups.ts'
import type { Serial } from './serial.ts'
import type { Topics } from './topics.ts'

export class ConsumerOffsets {
  readonly #store: Store
  readonly #topics: Topics
  readonly #groups: Groups
  readonly #announcer: Announcer
  readonly #serial: Serial

  /** Queues and groups of the reset that is being committed. */
  readonly #resetting = new Set<string>()

  constructor(store: Store, topics: Topics, groups: Groups, announcer: Announcer, serial: Serial) {
    this.#store = store
    this.#topics = topics
    this.#groups = groups
    this.#announcer = announcer
    this.#serial = serial
  }

  async query(group: string, queue: MessageQueue): Promise<number | undefined> {
    return this.#store.offsets.get(this.#groups.entry(group), this.#topics.log(queue))
  }

  async update(group: string, queue: MessageQueue, offset: number): Promise<void> {
    const entry = this.#groups.entry(group)
    const log = this.#topics.log(queue)
    checkOffset(log, offset, 0)
    if (this.#resetting.has(resetKey(entry, log))) return
    await this.#store.commit({ offsets: [{ group: entry, log, offset }] })
  }

  /** Sets offsets by queue id, all or none, and tells the members in the turn in which that took effect. */
  reset(group: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    return this.#serial.run(async () => {
      const entry = this.#groups.entry(group)
      const changes = [...offsets].map(([queueId, offset]) => {
        const log = this.#topics.logOfId(topic, queueId)
        checkOffset(log, offset, log.minOffset)
        return { group: entry, log, offset, force: true }
      })

      for (const { log } of changes) this.#resetting.add(resetKey(entry, log))
      try {
        await this.#store.commit({ offsets: changes })
        this.#announcer.tell({ type: 'offset-reset', group, topic })
      } finally {
        this.#resetting.clear()
      }
    })
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

function resetKey(group: GroupEntry, log: QueueLog): string {
  return `${group.uid}@${log.uid}`
}
