/** Random work on a store over a {@link FaultMedium}, noted in a history. */
import { MQError } from '../../../src/model/errors.ts'
import { MessageIdGenerator } from '../../../src/model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../../../src/model/outgoing-message.ts'
import { defaultGroupConfig, Permission } from '../../../src/model/topic.ts'
import type { Change } from '../../../src/store/change.ts'
import type { Alarm } from '../../../src/store/fact.ts'
import type { QueueLog } from '../../../src/store/queue-log.ts'
import type { Store } from '../../../src/store/store.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { FaultMedium } from '../../helpers/fault-medium.ts'
import type { ManualClock } from '../../helpers/manual-clock.ts'
import type { Operation } from './history.ts'

const QUEUES = 2
/** Topics that stay; alarms are about their messages only. */
const TOPICS = ['a', 'b']
const GROUP = 'g'
/** Some of what is parked within this time is held in memory, some is not yet. */
const PARKED_WITHIN_MS = 60_000

/** What survives the life of a store: the history, and how much of it must have survived. */
export class Record {
  readonly operations: Operation[] = []
  /** So many operations are written: the last one that was acknowledged, and all before it. */
  acknowledgedCount = 0
  /** So many survive a power cut. */
  flushedCount = 0
  sequence = 0
}

export interface WorkloadSettings {
  readonly isSyncFlush: boolean
  /** Sizes that bodies may have. */
  readonly bodyBytes: readonly number[]
}

export class Workload {
  readonly #store: Store
  readonly #medium: FaultMedium
  readonly #clock: ManualClock
  readonly #random: WorkloadRandom
  readonly #record: Record
  readonly #settings: WorkloadSettings
  readonly #ids: MessageIdGenerator
  readonly #cleared = new Set<number>()
  /** What was parked in this life. */
  readonly #parked: Alarm[] = []
  readonly #expected = new Map<string, string>()
  readonly #pending = new Set<Promise<void>>()
  #isClosing = false
  /** Something that must not happen. */
  problem: Error | undefined

  constructor(
    store: Store,
    medium: FaultMedium,
    clock: ManualClock,
    random: WorkloadRandom,
    record: Record,
    settings: WorkloadSettings,
  ) {
    this.#store = store
    this.#medium = medium
    this.#clock = clock
    this.#random = random
    this.#record = record
    this.#settings = settings
    this.#ids = new MessageIdGenerator(clock, random)
  }

  async run(steps: number): Promise<void> {
    await this.#setUp()
    for (let step = 0; step < steps; step++) {
      await this.#step()
      if (this.#random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.#random.chance(0.5)) await Promise.all(this.#pending)
  }

  async close(): Promise<void> {
    const { operations } = this.#record
    this.#isClosing = true
    const closing = this.#store.close()
    // Whatever close waits for by the clock must come.
    while (!(await isSettled(closing)) && !this.#medium.gate.isStopped) await this.#clock.advance(100)
    await closing
    await Promise.all(this.#pending)
    this.#record.flushedCount = operations.length
  }

  async #setUp(): Promise<void> {
    for (const topic of TOPICS)
      if (this.#store.catalog.topic(topic) === undefined) await this.#createTopic(topic)
    if (this.#store.catalog.group(GROUP) === undefined) await this.#createGroup(GROUP)
  }

  async #step(): Promise<void> {
    const { pick, chance } = bind(this.#random)
    const started = pick([
      () => this.#append(this.#anyLog(), 1),
      () => this.#append(this.#anyLog(), 1),
      () => this.#append(this.#anyLog(), this.#random.between(2, 6)),
      () => this.#burst(),
      () => this.#mixed(),
      () => this.#commitOffset(),
      () => this.#clearAlarm(),
      () => this.#park(),
      () => this.#clearParked(),
      () => this.#passingTopic(),
      () => this.#passingGroup(),
      () => this.#clock.advance(this.#random.between(1, 700)),
      () => this.#clock.advance(chance(0.3) ? PARKED_WITHIN_MS / 2 : 1),
      () => this.#flush(),
      () => this.#store.trim(),
      () => this.#readSomething(),
      () => this.#check(),
    ])()
    const watched = this.#watch(started)
    if (chance(0.5)) await watched
  }

  /** A failure counts only as long as the machine runs. */
  #watch(work: Promise<unknown>): Promise<void> {
    const watched = work.then(
      () => undefined,
      (error) => {
        const isExpected = this.#medium.gate.isStopped || (this.#isClosing && isRefusal(error))
        if (!isExpected) this.problem ??= error
      },
    )
    this.#pending.add(watched)
    return watched.finally(() => this.#pending.delete(watched))
  }

  /** Notes an operation at the time it is asked for, and when it is acknowledged. */
  async #ask<Result>(operation: Operation, asked: Promise<Result>): Promise<Result> {
    // The machine stands still, and this is only its shadow.
    if (this.#medium.gate.isStopped) return asked.catch(() => undefined).then(() => NEVER)
    const record = this.#record
    record.operations.push(operation)
    const count = record.operations.length
    const result = await asked.catch((error) => {
      // It is not in the store, but those around it keep their places.
      if (isRefusal(error)) record.operations[count - 1] = () => undefined
      throw error
    })
    if (this.#medium.gate.isStopped) return NEVER
    record.acknowledgedCount = Math.max(record.acknowledgedCount, count)
    if (this.#settings.isSyncFlush) record.flushedCount = Math.max(record.flushedCount, count)
    return result
  }

  async #append(log: QueueLog, count: number): Promise<void> {
    const { topic, queueId } = log.queue
    const bodies = this.#bodies(count)
    const messages = this.#messages(topic, bodies)
    const [first] = messages
    if (first === undefined) return
    const asked = this.#store.append(log, count === 1 ? first : messages, { timeoutMs: 1000 })
    const receipt = await this.#ask((world) => world.append(topic, queueId, bodies), asked)
    for (const [i, body] of bodies.entries()) {
      this.#expected.set(`${log.uid} ${receipt.queueOffset + i}`, body)
    }
  }

  async #burst(): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#random.between(2, 8) }, () => this.#append(this.#anyLog(), 1)),
    )
  }

  /** Appends to two queues, an offset and an alarm, all in one. */
  async #mixed(): Promise<void> {
    const group = this.#store.catalog.group(GROUP)
    const source = this.#log('a', 0)
    if (group === undefined || source.maxOffset === source.minOffset) return
    const attempt = this.#next()
    const offset = this.#random.between(source.minOffset, source.maxOffset)
    const parts = [this.#log('b', 0), this.#log('b', 1)].map((log) => ({ log, bodies: this.#bodies(2) }))
    const change: Change = {
      appends: parts.map(({ log, bodies }) => ({ log, messages: this.#messages('b', bodies) })),
      offsets: [{ group, log: source, offset }],
      alarmsSet: [
        {
          kind: 'retry',
          dueTimestamp: this.#clock.now() + this.#random.below(5000),
          groupUid: group.uid,
          queueUid: source.uid,
          queueOffset: source.maxOffset - 1,
          attempt,
        },
      ],
    }
    await this.#ask((world) => {
      for (const { log, bodies } of parts) world.append('b', log.queue.queueId, bodies)
      world.commitOffset(GROUP, 'a/0', offset, false)
      world.alarms.set(attempt, GROUP)
    }, this.#store.commit(change))
  }

  async #commitOffset(): Promise<void> {
    const group = this.#random.pick([...this.#store.catalog.groups()])
    const log = this.#anyLog()
    const mayGoBack = this.#random.chance(0.2)
    const offset = this.#random.between(log.minOffset, log.maxOffset)
    const place = `${log.queue.topic}/${log.queue.queueId}`
    // One that says nothing new is acknowledged at once, whatever is on its way before it.
    const known = this.#store.offsets.planned(group.uid, log.uid)
    if (!mayGoBack && known !== undefined && offset <= known) return
    await this.#ask(
      (world) => world.commitOffset(group.config.group, place, offset, mayGoBack),
      this.#store.commit({ offsets: [{ group, log, offset, mayGoBack }] }),
    )
  }

  async #clearAlarm(): Promise<void> {
    const alarm = [...this.#store.alarms.values()].find(({ attempt }) => !this.#cleared.has(attempt))
    if (alarm === undefined) return
    this.#cleared.add(alarm.attempt)
    await this.#ask(
      (world) => world.alarms.delete(alarm.attempt),
      this.#store.commit({ alarmsCleared: [alarm] }),
    )
  }

  /** Messages that wait, some for a time that is in memory, some for a later one. */
  async #park(): Promise<void> {
    const log = this.#log('a', 1)
    const parked = Array.from({ length: this.#random.between(1, 4) }, () => {
      const attempt = this.#next()
      const [message] = this.#messages('a', [`p${attempt}`])
      const alarm: Alarm = {
        id: this.#store.alarms.takeId(),
        kind: 'delay',
        dueTimestamp: this.#clock.now() + this.#random.below(PARKED_WITHIN_MS),
        groupUid: 0,
        queueUid: log.uid,
        queueOffset: 0,
        attempt,
      }
      return { alarm, bytes: this.#store.parking.encode(message as OutgoingMessage, log) }
    })
    for (const { alarm } of parked) this.#parked.push(alarm)
    await this.#ask((world) => {
      for (const { alarm } of parked) world.alarms.set(alarm.attempt, '')
    }, this.#store.commit({ parked }))
  }

  async #clearParked(): Promise<void> {
    if (this.#parked.length === 0) return
    const alarm = this.#random.pick(this.#parked)
    if (this.#cleared.has(alarm.attempt)) return
    this.#cleared.add(alarm.attempt)
    await this.#ask(
      (world) => world.alarms.delete(alarm.attempt),
      this.#store.commit({ alarmsCleared: [alarm] }),
    )
  }

  async #passingTopic(): Promise<void> {
    const name = `t${this.#next()}`
    await this.#createTopic(name)
    const entry = this.#store.catalog.topic(name)
    const log = entry?.logs[0]
    if (entry === undefined || log === undefined) throw new Error(`the topic ${name} is not there`)
    const flushed = this.#random.chance(0.5) ? this.#flush() : undefined
    await Promise.all([this.#append(log, 1), this.#append(log, 2), flushed])
    if (!this.#random.chance(0.7)) return
    await this.#ask((world) => world.deleteTopic(name), this.#store.commit({ topicsDeleted: [entry] }))
  }

  async #passingGroup(): Promise<void> {
    const name = `g${this.#next()}`
    await this.#createGroup(name)
    const entry = this.#store.catalog.group(name)
    if (entry === undefined) throw new Error(`the group ${name} is not there`)
    if (this.#random.chance(0.5)) await this.#clock.advance(600)
    if (!this.#random.chance(0.7)) return
    await this.#ask((world) => world.deleteGroup(name), this.#store.commit({ groupsDeleted: [entry] }))
  }

  async #flush(): Promise<void> {
    const { operations } = this.#record
    const count = operations.length
    await this.#store.flush()
    if (!this.#medium.gate.isStopped) this.#record.flushedCount = Math.max(this.#record.flushedCount, count)
  }

  async #readSomething(): Promise<void> {
    const places = [...this.#expected]
    if (places.length === 0) return
    const [place, body] = this.#random.pick(places)
    const [queueUid = 0, offset = 0] = place.split(' ').map(Number)
    const message = await this.#store.readRecord(queueUid, offset)
    const log = this.#store.catalog.log(queueUid)
    if (log === undefined || offset < log.minOffset) return
    if (message?.text().trimEnd() !== body) throw new Error(`${place} holds ${message?.text()}, not ${body}`)
  }

  async #check(): Promise<void> {
    const { problems } = await this.#store.check()
    const [problem] = problems
    if (problem !== undefined) throw new Error(`check() while at work: ${problem.message}`)
  }

  async #createTopic(topic: string): Promise<void> {
    const config = { topic, readQueueNums: QUEUES, writeQueueNums: QUEUES, permission: Permission.READ_WRITE }
    await this.#ask((world) => world.createTopic(topic, QUEUES), this.#store.commit({ topics: [config] }))
  }

  async #createGroup(group: string): Promise<void> {
    await this.#ask(
      (world) => world.groups.add(group),
      this.#store.commit({ groups: [defaultGroupConfig(group)] }),
    )
  }

  #messages(topic: string, bodies: readonly string[]): OutgoingMessage[] {
    return bodies.map((body) => {
      const keys = this.#random.chance(0.3) ? [`k${this.#random.below(5)}`] : []
      const padded = body.padEnd(this.#random.pick(this.#settings.bodyBytes))
      return prepareMessage({ topic, body: padded, keys }, this.#ids.next(), this.#clock.now())
    })
  }

  #bodies(count: number): string[] {
    return Array.from({ length: count }, () => `m${this.#next()}`)
  }

  #next(): number {
    this.#record.sequence += 1
    return this.#record.sequence
  }

  #anyLog(): QueueLog {
    return this.#log(this.#random.pick(TOPICS), this.#random.below(QUEUES))
  }

  #log(topic: string, queueId: number): QueueLog {
    const log = this.#store.catalog.topic(topic)?.logs[queueId]
    if (log === undefined) throw new Error(`the topic ${topic} is not there`)
    return log
  }
}

const NEVER = new Promise<never>(() => undefined)

function bind(random: WorkloadRandom) {
  return {
    pick: <Item>(items: readonly Item[]): Item => random.pick(items),
    chance: (share: number): boolean => random.chance(share),
  }
}

/** The store was closed before it took what was asked. */
function isRefusal(error: unknown): boolean {
  return error instanceof MQError && ['CLOSED', 'SERVICE_NOT_AVAILABLE'].includes(error.code)
}

/** Whether a promise has settled, after a few turns of the event loop. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 5 && !settled; turn++) await new Promise((resolve) => setImmediate(resolve))
  return settled
}
