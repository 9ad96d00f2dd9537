/**
 * A store at work until it is killed: sends one by one, in bursts and in batches, offsets that move together with sends,
 * alarms, topics that come and go, and every now and then a close and an open. What is acknowledged goes to the ledger.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../../src/model/logger.ts'
import { MessageIdGenerator } from '../../src/model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../../src/model/outgoing-message.ts'
import { systemClock, systemRandom } from '../../src/model/system-clock.ts'
import { defaultGroupConfig, Permission, type TopicConfig } from '../../src/model/topic.ts'
import type { GroupEntry, TopicEntry } from '../../src/store/catalog.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import { Store } from '../../src/store/store.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from '../../src/store/store-options.ts'
import type { Job, Profile } from './job.ts'
import type { LedgerWriter } from './ledger.ts'
import { stampBody } from './stamp.ts'
import { WorkloadRandom } from './workload-random.ts'

/** The offset of this group on the first queue of this topic moves together with sends to the other topic. */
export const MOVERS = 'movers'
export const MOVED_TOPIC = 'apples'
const TOPICS = [MOVED_TOPIC, 'pears']
const QUEUES = 3
const KIB = 1024
const ALARMS_PER_ROUND = 100_000

const RETENTION: Partial<Record<Profile, StoreOptions['retention']>> = {
  retention: { maxAgeMs: 3_600_000, maxBytes: 512 * KIB, intervalMs: 15 },
  large: { maxAgeMs: 3_600_000, maxBytes: 24 * KIB * KIB, intervalMs: 25 },
}

/** The options of the child, and of the parent that looks at what it left. */
export function crashOptions(job: Pick<Job, 'directory' | 'flushDiskType' | 'profile'>): StoreOptions {
  return {
    ...DEFAULT_STORE_OPTIONS,
    path: job.directory,
    storage: 'disk',
    flushDiskType: job.flushDiskType,
    // Short, so that the applier is at work within the life of a child.
    flushIntervalMs: 10,
    retention: RETENTION[job.profile] ?? DEFAULT_STORE_OPTIONS.retention,
    brokerName: 'crash',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  }
}

/** Works until it is killed. */
export async function keepStoreBusy(job: Job, ledger: LedgerWriter): Promise<never> {
  const random = new WorkloadRandom(job.seed)
  const counters = { sends: 0, alarms: 0, topics: 0 }
  for (;;) {
    ledger.phase('opening')
    const store = await Store.open(crashOptions(job))
    ledger.phase('open')
    const worker = new Worker(store, job, ledger, random.fork(), counters)
    await worker.work(random.between(5, 120))
    ledger.phase('closing')
    await store.close()
    ledger.phase('closed')
  }
}

class Worker {
  readonly #store: Store
  readonly #job: Job
  readonly #ledger: LedgerWriter
  readonly #random: WorkloadRandom
  readonly #counters: { sends: number; alarms: number; topics: number }
  readonly #ids = new MessageIdGenerator(systemClock, systemRandom)
  #stepsLeft = 0

  constructor(
    store: Store,
    job: Job,
    ledger: LedgerWriter,
    random: WorkloadRandom,
    counters: { sends: number; alarms: number; topics: number },
  ) {
    this.#store = store
    this.#job = job
    this.#ledger = ledger
    this.#random = random
    this.#counters = counters
  }

  async work(steps: number): Promise<void> {
    this.#stepsLeft = steps
    await this.#setUp()
    await Promise.all([
      this.#repeat(() => this.#sendOneByOne()),
      this.#repeat(() => this.#sendBurst()),
      this.#repeat(() => this.#sendBatch()),
      this.#repeat(() => this.#transfer()),
      this.#repeat(() => this.#clearAlarm()),
      this.#repeat(() => this.#operate()),
    ])
  }

  async #setUp(): Promise<void> {
    for (const topic of TOPICS) {
      if (this.#store.catalog.topic(topic) === undefined) await this.#createTopic(topic)
    }
    if (this.#store.catalog.group(MOVERS) === undefined) {
      await this.#store.commit({ groups: [defaultGroupConfig(MOVERS)] })
    }
  }

  async #repeat(step: () => Promise<void>): Promise<void> {
    while (this.#stepsLeft > 0) {
      this.#stepsLeft -= 1
      await step()
      if (this.#random.chance(0.2)) await nextTurn()
      if (this.#random.chance(0.1)) await sleep(1)
    }
  }

  async #sendOneByOne(): Promise<void> {
    for (let i = this.#random.below(10); i >= 0; i--) await this.#send(this.#anyLog(), 1)
  }

  async #sendBurst(): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#random.between(2, 40) }, () => this.#send(this.#anyLog(), 1)),
    )
  }

  async #sendBatch(): Promise<void> {
    await this.#send(this.#anyLog(), this.#random.between(2, 25))
  }

  async #send(log: QueueLog, count: number): Promise<void> {
    const send = this.#nextSend()
    const messages = this.#messages(log, send, count, -1)
    const [first] = messages
    if (first === undefined) return
    const receipt = await this.#store.append(log, count === 1 ? first : messages, { timeoutMs: 10_000 })
    const { topic, queueId } = receipt.queue
    this.#ledger.sent(send, { topic, queueId, offset: receipt.queueOffset, count })
  }

  /** A send, an offset and an alarm in one commit: all of them or none. */
  async #transfer(): Promise<void> {
    const source = this.#log(0, 0)
    const group = this.#movers()
    const reached = (this.#store.offsets.get(group, source) ?? 0) + 1
    if (reached > source.maxOffset) return
    const attempt = this.#job.round * ALARMS_PER_ROUND + ++this.#counters.alarms
    const log = this.#log(1, this.#random.below(QUEUES))
    const messages = this.#messages(log, this.#nextSend(), this.#random.between(1, 4), reached)
    const queueOffset = source.maxOffset - 1
    const dueTimestamp = systemClock.now() + this.#random.below(1000)
    await this.#store.commit({
      appends: [{ log, messages }],
      offsets: [{ group, log: source, offset: reached }],
      alarmsSet: [
        { kind: 'retry', dueTimestamp, groupUid: group.uid, queueUid: source.uid, queueOffset, attempt },
      ],
    })
    this.#ledger.offset(MOVERS, source.queue.topic, source.queue.queueId, reached)
    this.#ledger.alarmSet(attempt)
  }

  async #clearAlarm(): Promise<void> {
    const [alarm] = this.#store.alarms.due(Number.MAX_SAFE_INTEGER, 1)
    if (alarm === undefined) return
    this.#ledger.alarmMayGo(alarm.attempt)
    await this.#store.commit({ alarmsCleared: [alarm] })
    this.#ledger.alarmCleared(alarm.attempt)
  }

  async #operate(): Promise<void> {
    const what = this.#random.below(12)
    if (what === 0) await this.#store.flush()
    else if (what === 1) await this.#store.trim()
    else if (what === 2 && this.#job.profile === 'mixed') await this.#check()
    else if (what < 6) await this.#passingTopic()
  }

  async #check(): Promise<void> {
    const { problems } = await this.#store.check()
    const [problem] = problems
    if (problem !== undefined) throw new Error(`check() while at work: ${problem.message}`)
  }

  /** A topic that is made, written to and sometimes deleted at once. */
  async #passingTopic(): Promise<void> {
    const name = `passing-${this.#job.round}-${++this.#counters.topics}`
    const entry = await this.#createTopic(name)
    const log = entry.logs[0]
    if (log !== undefined) await this.#send(log, 3)
    if (!this.#random.chance(0.6)) return
    this.#ledger.topicMayGo(name)
    await this.#store.commit({ topicsDeleted: [entry] })
    this.#ledger.topicDeleted(name)
  }

  async #createTopic(topic: string): Promise<TopicEntry> {
    const config: TopicConfig = {
      topic,
      readQueueNums: QUEUES,
      writeQueueNums: QUEUES,
      permission: Permission.READ_WRITE,
    }
    await this.#store.commit({ topics: [config] })
    this.#ledger.topicCreated(topic)
    const entry = this.#store.catalog.topic(topic)
    if (entry === undefined) throw new Error(`the topic ${topic} was committed and is not there`)
    return entry
  }

  #messages(log: QueueLog, send: string, count: number, reached: number): OutgoingMessage[] {
    const { topic } = log.queue
    return Array.from({ length: count }, (_, index) => {
      const body = stampBody({ send, index, count, reached }, this.#bodyBytes())
      const keys = this.#random.chance(0.3) ? [`k${this.#random.below(50)}`] : []
      return prepareMessage({ topic, body, keys, tag: 'ripe' }, this.#ids.next(), systemClock.now())
    })
  }

  #bodyBytes(): number {
    const { profile } = this.#job
    if (profile === 'large') return this.#random.pick([100, 64 * KIB, 256 * KIB])
    return this.#random.chance(0.02) ? 40 * KIB : this.#random.between(20, 1500)
  }

  #nextSend(): string {
    this.#counters.sends += 1
    return `${this.#job.round}.${this.#counters.sends}`
  }

  #anyLog(): QueueLog {
    return this.#log(this.#random.below(TOPICS.length), this.#random.below(QUEUES))
  }

  #log(topic: number, queueId: number): QueueLog {
    const log = this.#store.catalog.topic(TOPICS[topic] ?? '')?.logs[queueId]
    if (log === undefined) throw new Error(`the topic ${TOPICS[topic]} is gone`)
    return log
  }

  #movers(): GroupEntry {
    const group = this.#store.catalog.group(MOVERS)
    if (group === undefined) throw new Error(`the group ${MOVERS} is gone`)
    return group
  }
}
