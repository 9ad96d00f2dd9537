/** Holds a reopened store against the ledger: what was acknowledged is there, and what is there was sent, whole. */
import { systemClock } from '../../src/model/system-clock.ts'
import { deadLetterTopicOf, retryTopicOf } from '../../src/model/topic.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import { Store } from '../../src/store/store.ts'
import { CONSUMED_TOPIC, CONSUMING_GROUPS } from './busy-consumers.ts'
import { crashOptions, MOVED_TOPIC, MOVERS } from './busy-store.ts'
import { nameOf, type QueueContent, readQueues } from './inspect.ts'
import type { Job } from './job.ts'
import type { Ledger } from './ledger.ts'
import { readStamp, type Stamp } from './stamp.ts'

/** The longest time that opening after a kill may take. */
const OPEN_MAX_MS = 2000

/** What a look at the store found. */
export interface Verdict {
  /** Things that were acknowledged and are not there. */
  readonly lost: readonly string[]
  /** Sends that are there in part. */
  readonly torn: readonly string[]
  /** Everything else that must not be. */
  readonly wrong: readonly string[]
  readonly messageCount: number
  readonly openMs: number
}

/** Opens the store, compares, and closes it. */
export async function verifyDirectory(job: Job, ledger: Ledger): Promise<Verdict> {
  const startedAt = systemClock.monotonicMs()
  // What is looked at must not be trimmed meanwhile.
  const store = await Store.open(crashOptions({ ...job, profile: 'mixed' }))
  const openMs = systemClock.monotonicMs() - startedAt
  try {
    const verifier = new Verifier(store, ledger)
    await verifier.verify()
    if (openMs > OPEN_MAX_MS) verifier.wrong.push(`opening took ${Math.round(openMs)} ms`)
    const { lost, torn, wrong, messageCount } = verifier
    return { lost, torn, wrong, messageCount, openMs }
  } finally {
    await store.close()
  }
}

class Verifier {
  readonly #store: Store
  readonly #ledger: Ledger
  /** Where each send was found. */
  readonly #places = new Map<string, string>()
  readonly lost: string[] = []
  readonly torn: string[] = []
  readonly wrong: string[] = []
  messageCount = 0

  constructor(store: Store, ledger: Ledger) {
    this.#store = store
    this.#ledger = ledger
  }

  async verify(): Promise<void> {
    const { ok, problems } = await this.#store.check()
    if (!ok) this.wrong.push(...problems.slice(0, 3).map(({ message }) => `check(): ${message}`))
    const queues = await readQueues(this.#store)
    for (const queue of queues) this.#checkQueue(queue)
    this.#checkSends()
    this.#checkTopics()
    this.#checkOffsets()
    this.#checkAlarms()
    for (const group of CONSUMING_GROUPS) this.#checkConsumed(group, queues)
  }

  #checkQueue({ log, messages }: QueueContent): void {
    this.messageCount += messages.length
    if (messages.length !== log.maxOffset - log.minOffset) this.wrong.push(`${nameOf(log)} is not dense`)
    const isCopied = log.queue.topic.startsWith('%')
    let place = 0
    while (place < messages.length) {
      const stamp = readStamp(messages[place]?.body ?? Buffer.alloc(0))
      if (stamp === undefined) {
        this.wrong.push(`${nameOf(log)} offset ${log.minOffset + place}: a body that was never sent`)
        return
      }
      // A copy for a retry is stored alone.
      if (!isCopied)
        this.#checkSend(log, stamp, messages.slice(place, place + stamp.count).map(stampOf), place)
      place += isCopied ? 1 : stamp.count
    }
  }

  /** A send lies in one piece, and what was committed with it is there. */
  #checkSend(log: QueueLog, first: Stamp, stamps: readonly (Stamp | undefined)[], place: number): void {
    const isWhole =
      first.index === 0 &&
      stamps.length === first.count &&
      stamps.every((stamp, index) => stamp?.send === first.send && stamp.index === index)
    const where = `${nameOf(log)} ${log.minOffset + place}`
    if (!isWhole) this.torn.push(`send ${first.send} at ${where}`)
    if (this.#places.has(first.send))
      this.wrong.push(`send ${first.send} is at ${this.#places.get(first.send)} and at ${where}`)
    this.#places.set(first.send, where)
    const moved = this.#offset(MOVERS, MOVED_TOPIC, 0)
    if (moved < first.reached)
      this.torn.push(`send ${first.send} came with offset ${first.reached}, which is ${moved}`)
  }

  #checkSends(): void {
    for (const [send, { topic, queueId, offset }] of this.#ledger.sends) {
      const state = this.#ledger.topics.get(topic)
      if (state === 'may-go' || state === 'deleted') continue
      const log = this.#store.catalog.topic(topic)?.logs[queueId]
      if (log !== undefined && offset < log.minOffset) continue
      const where = `${topic}/${queueId} ${offset}`
      if (this.#places.get(send) !== where) this.lost.push(`send ${send} at ${where}`)
    }
  }

  #checkTopics(): void {
    for (const [topic, state] of this.#ledger.topics) {
      const isThere = this.#store.catalog.topic(topic) !== undefined
      if (state === 'created' && !isThere) this.lost.push(`topic ${topic}`)
      if (state === 'deleted' && isThere) this.lost.push(`the deletion of topic ${topic}`)
    }
  }

  #checkOffsets(): void {
    for (const [place, acknowledged] of this.#ledger.offsets) {
      const [group = '', topic = '', queueId] = place.split(' ')
      const stored = this.#offset(group, topic, Number(queueId))
      if (stored < acknowledged) this.lost.push(`offset ${acknowledged} of ${place}, which is at ${stored}`)
    }
    for (const [groupUid, queueUid, offset] of this.#store.offsets.entries()) {
      const log = this.#store.catalog.log(queueUid)
      if (log === undefined || offset > log.maxOffset)
        this.wrong.push(`group ${groupUid} is at ${offset} of ${queueUid}`)
    }
  }

  #checkAlarms(): void {
    const pending = new Set([...this.#store.alarms.values()].map(({ attempt }) => attempt))
    for (const [attempt, state] of this.#ledger.alarms) {
      if (state === 'set' && !pending.has(attempt)) this.lost.push(`alarm ${attempt}`)
      if (state === 'cleared' && pending.has(attempt)) this.lost.push(`the clearing of alarm ${attempt}`)
    }
  }

  /** Below a committed offset everything was handled, waits for a retry, or is a dead letter. */
  #checkConsumed(group: string, queues: readonly QueueContent[]): void {
    const entry = this.#store.catalog.group(group)
    if (entry === undefined) return
    const safe = new Set<string>()
    for (const { log, messages } of queues) {
      const isDead = log.queue.topic === deadLetterTopicOf(group)
      const isRetry = log.queue.topic === retryTopicOf(group)
      if (!isDead && !isRetry) continue
      const reached = isDead ? 0 : (this.#store.offsets.get(entry, log) ?? 0)
      for (const message of messages) if (message.queueOffset >= reached) safe.add(message.messageId)
    }
    const waiting = new Set(
      [...this.#store.alarms.pending(entry.uid)].map((alarm) => `${alarm.queueUid} ${alarm.queueOffset}`),
    )
    for (const { log, messages } of queues) {
      for (const { messageId, queueOffset } of messages) {
        if (waiting.has(`${log.uid} ${queueOffset}`)) safe.add(messageId)
      }
    }
    for (const { log, messages } of queues.filter(({ log }) => log.queue.topic === CONSUMED_TOPIC)) {
      const reached = this.#store.offsets.get(entry, log) ?? 0
      for (const { messageId, queueOffset } of messages) {
        if (
          queueOffset >= reached ||
          safe.has(messageId) ||
          this.#ledger.handled.has(`${group} ${messageId}`)
        )
          continue
        this.lost.push(`${group} passed ${nameOf(log)} offset ${queueOffset} without handling it`)
      }
    }
  }

  #offset(groupName: string, topic: string, queueId: number): number {
    const group = this.#store.catalog.group(groupName)
    const log = this.#store.catalog.topic(topic)?.logs[queueId]
    return group === undefined || log === undefined ? -1 : (this.#store.offsets.get(group, log) ?? 0)
  }
}

function stampOf({ body }: { readonly body: Uint8Array }): Stamp | undefined {
  return readStamp(body)
}
