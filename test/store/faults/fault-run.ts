/**
 * One run of a scenario over a medium of which one call fails: notes what was acknowledged and what was refused, ends the
 * fault, closes, opens again, and holds what is there against the notes.
 */
import { MQError } from '../../../src/model/errors.ts'
import { MessageIdGenerator } from '../../../src/model/message-id.ts'
import { prepareMessage } from '../../../src/model/outgoing-message.ts'
import { defaultGroupConfig, type TopicConfig } from '../../../src/model/topic.ts'
import type { Alarm } from '../../../src/store/fact.ts'
import type { QueueLog } from '../../../src/store/queue-log.ts'
import { Store } from '../../../src/store/store.ts'
import type { StoreOptions } from '../../../src/store/store-options.ts'
import { WorkloadRandom } from '../../crash/workload-random.ts'
import { FaultMedium } from '../../helpers/fault-medium.ts'
import { ManualClock } from '../../helpers/manual-clock.ts'
import type { DecideFate } from './call-gate.ts'
import { type Content, readContent } from './history.ts'
import { faultOptions } from './lives.ts'
import type { Scenario } from './scenarios.ts'
import { isSettled } from './workload.ts'

export type Manner = 'fails-before' | 'fails-after' | 'fails-from-here' | 'hangs'

/** What became of one step. */
type Outcome = 'acknowledged' | 'absent' | 'unknown'

interface Sent {
  readonly place: string
  readonly bodies: readonly string[]
  outcome: Outcome
  offset: number | undefined
}

/** Virtual time in which everything must settle that does not hang. */
const PATIENCE_MS = 60_000
const STEP_MS = 200

export interface FaultRunOptions {
  readonly scenario: Scenario
  readonly flushDiskType: StoreOptions['flushDiskType']
  readonly manner: Manner
  /** The call that meets the fault. */
  readonly number: number
  /** How the run ends; a store that is closed never looks at its journal again. */
  readonly end?: 'close' | 'kill'
  /** A directory that was left in some state, with what is known of it; stays as it is. */
  readonly start: Start
}

export interface Start {
  readonly medium: FaultMedium
  readonly context: StepContext | undefined
}

/** The kind of the call that failed, or `undefined` when the scenario has fewer calls. */
export async function runWithFault(options: FaultRunOptions): Promise<string | undefined> {
  let kind: string | undefined
  const decide: DecideFate = (call) => {
    if (call.number === options.number) kind = call.kind
    const isMet = options.manner === 'fails-from-here' ? call.kind === kind : call.number === options.number
    if (!isMet) return 'works'
    return options.manner === 'fails-from-here' ? 'fails-before' : options.manner
  }
  const { start, flushDiskType } = options
  const context = new StepContext(start.medium.crash('kill', { decide }), flushDiskType, start.context)
  try {
    await context.run(options.scenario, options.end)
  } catch (error) {
    throw new Error(`call ${options.number}, ${kind}, ${options.manner}: ${error}`, { cause: error })
  }
  return kind
}

/** The kinds of all calls of a scenario, in order, when none fails. */
export async function callsOf(
  options: Pick<FaultRunOptions, 'scenario' | 'flushDiskType' | 'start'>,
): Promise<readonly string[]> {
  const kinds: string[] = []
  const decide: DecideFate = ({ kind }) => {
    kinds.push(kind)
    return 'works'
  }
  const { scenario, flushDiskType, start } = options
  const context = new StepContext(start.medium.crash('kill', { decide }), flushDiskType, start.context)
  await context.run(scenario)
  return kinds
}

/** A directory with a store that was killed while it was at work. */
export async function killedStart(scenario: Scenario): Promise<Start> {
  const medium = new FaultMedium()
  const context = new StepContext(medium, 'ASYNC_FLUSH')
  await context.runUntilKilled(scenario)
  return { medium, context }
}

/** A directory that does not exist yet. */
export function emptyStart(): Start {
  return { medium: new FaultMedium(), context: undefined }
}

export class StepContext {
  readonly #medium: FaultMedium
  readonly #flushDiskType: StoreOptions['flushDiskType']
  readonly #clock = new ManualClock()
  readonly #ids: MessageIdGenerator
  readonly #sent: Sent[]
  /** What must be there, or gone, by name. */
  readonly #topics: Map<string, Outcome | 'deleted' | 'deleting'>
  readonly #alarms: Map<number, Outcome | 'cleared' | 'clearing'>
  readonly #offsets: Map<string, number>
  /** Alarms of this life that are not in memory, and were not cleared. */
  readonly #far: Alarm[] = []
  /** Steps that hang until the fault ends. */
  readonly #stuck: Promise<unknown>[] = []
  #store: Store | undefined
  #hasFailed = false
  #count: number

  constructor(medium: FaultMedium, flushDiskType: StoreOptions['flushDiskType'], before?: StepContext) {
    this.#medium = medium
    this.#flushDiskType = flushDiskType
    this.#sent = before === undefined ? [] : [...before.#sent]
    this.#topics = new Map(before === undefined ? [] : before.#topics)
    this.#alarms = new Map(before === undefined ? [] : before.#alarms)
    this.#offsets = new Map(before === undefined ? [] : before.#offsets)
    this.#count = before === undefined ? 0 : before.#count
    this.#ids = new MessageIdGenerator(this.#clock, new WorkloadRandom(7))
  }

  async run(scenario: Scenario, end: 'close' | 'kill' = 'close'): Promise<void> {
    await this.#open()
    await scenario(this)
    const left = end === 'kill' ? this.#medium.crash('kill') : await this.#closeAndCrash()
    const store = await Store.open(faultOptions(left, this.#clock, this.#flushDiskType))
    await this.#verify(store)
    await store.close()
  }

  async runUntilKilled(scenario: Scenario): Promise<void> {
    await this.#open()
    await scenario(this)
    this.#medium.gate.stop()
  }

  // ---- steps ----

  async createTopic(config: TopicConfig): Promise<void> {
    this.#topics.set(config.topic, 'unknown')
    const outcome = await this.#step((store) => store.commit({ topics: [config] }))
    this.#topics.set(config.topic, outcome)
  }

  async deleteTopic(topic: string): Promise<void> {
    const entry = this.#store?.catalog.topic(topic)
    if (entry === undefined) return
    this.#topics.set(topic, 'deleting')
    const outcome = await this.#step((store) => store.commit({ topicsDeleted: [entry] }))
    if (outcome === 'acknowledged') this.#topics.set(topic, 'deleted')
  }

  async createGroup(group: string): Promise<void> {
    await this.#step((store) => store.commit({ groups: [defaultGroupConfig(group)] }))
  }

  async send(topic: string, queueId: number, count: number, bytes = 10): Promise<void> {
    const log = this.#log(topic, queueId)
    if (log === undefined) return
    const bodies = Array.from({ length: count }, () => `m${this.#next()}`)
    const sent: Sent = { place: `${topic}/${queueId}`, bodies, outcome: 'unknown', offset: undefined }
    this.#sent.push(sent)
    const messages = this.#messages(topic, bodies, bytes)
    sent.outcome = await this.#step(async (store) => {
      const [first] = messages
      const single = count === 1 ? first : undefined
      sent.offset = (await store.append(log, single ?? messages, { timeoutMs: 3000 })).queueOffset
    })
  }

  /** A send, an offset and an alarm in one commit; every other alarm has a message with it. */
  async transfer(topic: string, queueId: number, offset: number): Promise<void> {
    const log = this.#log(topic, queueId)
    const target = this.#log(topic, 1)
    const group = this.#store?.catalog.group('g')
    if (log === undefined || target === undefined || group === undefined || log.maxOffset < offset) return
    const attempt = this.#next()
    const body = `m${this.#next()}`
    const sent: Sent = { place: `${topic}/1`, bodies: [body], outcome: 'unknown', offset: undefined }
    this.#sent.push(sent)
    const dueTimestamp = this.#clock.now() + 1000
    const alarm = { groupUid: group.uid, queueUid: log.uid, queueOffset: 0, attempt, dueTimestamp }
    const isParked = attempt % 2 === 0
    // It is due so late that it is not held in memory.
    const far = {
      ...alarm,
      kind: 'delay',
      attempt: this.#next(),
      dueTimestamp: dueTimestamp + 600_000,
    } as const
    const [parked, farParked] = this.#messages(topic, [`p${attempt}`, `p${far.attempt}`], 200)
    if (parked === undefined || farParked === undefined) return
    const attempts = [attempt, far.attempt]
    for (const each of attempts) this.#alarms.set(each, 'unknown')
    const outcome = await this.#step(async (store) => {
      const farAlarm = { ...far, id: store.alarms.takeId() }
      const { parking } = store
      const parkedFar = { alarm: farAlarm, bytes: parking.encode(farParked, log) }
      const parkedNear = { alarm: { ...alarm, kind: 'delay' }, bytes: parking.encode(parked, log) } as const
      await store.commit({
        appends: [{ log: target, messages: this.#messages(topic, [body], 10) }],
        offsets: [{ group, log, offset }],
        parked: isParked ? [parkedNear, parkedFar] : [parkedFar],
        alarmsSet: isParked ? [] : [{ ...alarm, kind: 'retry' }],
      })
      this.#far.push(farAlarm)
    })
    sent.outcome = outcome
    for (const each of attempts) this.#alarms.set(each, outcome)
    if (outcome === 'acknowledged') this.#offsets.set(`g ${topic}/${queueId}`, offset)
  }

  async commitOffset(topic: string, queueId: number, offset: number): Promise<void> {
    const log = this.#log(topic, queueId)
    const group = this.#store?.catalog.group('g')
    if (log === undefined || group === undefined || log.maxOffset < offset) return
    const outcome = await this.#step((store) => store.commit({ offsets: [{ group, log, offset }] }))
    if (outcome === 'acknowledged') this.#offsets.set(`g ${topic}/${queueId}`, offset)
  }

  async clearAlarms(): Promise<void> {
    const alarms = [...(this.#store?.alarms.values() ?? []), ...this.#far]
    this.#far.length = 0
    for (const { attempt } of alarms) this.#alarms.set(attempt, 'clearing')
    const outcome = await this.#step((store) => store.commit({ alarmsCleared: alarms }))
    if (outcome !== 'acknowledged') return
    for (const { attempt } of alarms) this.#alarms.set(attempt, 'cleared')
  }

  /** Reads everything; what cannot be read now must be readable later. */
  async read(): Promise<void> {
    await this.#step(readContent)
  }

  async flush(): Promise<void> {
    await this.#step((store) => store.flush())
  }

  async trim(): Promise<void> {
    await this.#step((store) => store.trim())
  }

  async check(): Promise<void> {
    await this.#step(async (store) => {
      const { problems } = await store.check()
      if (problems.length > 0) throw new Error(`check() while at work: ${problems[0]?.message}`)
    })
  }

  async elapse(ms: number): Promise<void> {
    await this.#clock.advance(ms)
  }

  async together(...steps: readonly (() => Promise<void>)[]): Promise<void> {
    await Promise.all(steps.map((step) => step()))
  }

  // ---- opening and closing ----

  /** What fails to open because of a fault must open when the fault is over. */
  async #open(): Promise<void> {
    const options = faultOptions(this.#medium, this.#clock, this.#flushDiskType)
    const first = Store.open(options)
    if (await this.#settles(first)) {
      const opened = await first.catch((error) => mustBeTyped(error))
      if (opened !== undefined) return this.#use(opened)
    }
    this.#medium.gate.release()
    const late = await this.#finish(
      first.catch(() => undefined),
      'opening, with the fault over',
    )
    this.#use(late ?? (await this.#finish(Store.open(options), 'opening again')))
  }

  #use(store: Store): void {
    this.#store = store
    store.onEvent = (name, event) => {
      if (name === 'store-state' && 'state' in event && event.state === 'failed') this.#hasFailed = true
    }
  }

  /** Answers whether everything is said to be safe on the disk. */
  /** What a power cut after `close` leaves, or a kill where nothing promises that the end was flushed. */
  async #closeAndCrash(): Promise<FaultMedium> {
    const isFlushed = await this.#close()
    return this.#medium.crash(isFlushed || this.#flushDiskType === 'SYNC_FLUSH' ? 'power' : 'kill')
  }

  async #close(): Promise<boolean> {
    const store = this.#store
    if (store === undefined) return false
    const isClosed = store.close().then(
      () => true,
      (error) => {
        mustBeTyped(error)
        return false
      },
    )
    if (!(await this.#settles(isClosed))) {
      if (!this.#medium.gate.isHanging) throw new Error('close() does not settle')
      this.#medium.gate.release()
      await this.#finish(isClosed, 'close(), with the fault over')
    }
    this.#medium.gate.release()
    for (const stuck of this.#stuck) await this.#finish(stuck, 'a step, with the fault over')
    return (await isClosed) && !this.#hasFailed
  }

  async #step(act: (store: Store) => Promise<unknown>): Promise<Outcome> {
    const store = this.#store
    if (store === undefined) return 'absent'
    let outcome: Outcome = 'unknown'
    const done = act(store).then(
      () => {
        outcome = 'acknowledged'
      },
      (error) => {
        outcome = outcomeOf(error)
      },
    )
    if (!(await this.#settles(done))) this.#stuck.push(done)
    return outcome
  }

  /** Lets time pass until a promise settles; answers whether it did. */
  async #settles(promise: Promise<unknown>): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += STEP_MS) {
      if (await isSettled(promise)) return true
      // Time changes nothing for a call that hangs; but what waits for it may give up.
      if (this.#medium.gate.isHanging && waitedMs > 10_000) return false
      await this.#clock.advance(STEP_MS)
    }
    return false
  }

  async #finish<Result>(promise: Promise<Result>, what: string): Promise<Result> {
    if (!(await this.#settles(promise))) throw new Error(`${what}, does not settle`)
    return promise
  }

  // ---- what must be there ----

  async #verify(store: Store): Promise<void> {
    const { problems } = await store.check()
    if (problems.length > 0) throw new Error(`check(): ${problems.map(({ message }) => message).join('; ')}`)
    const content = await readContent(store)
    for (const sent of this.#sent) this.#verifySent(sent, content)
    this.#verifyNothingElse(content)
    for (const [topic, outcome] of this.#topics) {
      const isThere = store.catalog.topic(topic) !== undefined
      if (outcome === 'acknowledged' && !isThere) throw new Error(`the topic ${topic} is lost`)
      if ((outcome === 'absent' || outcome === 'deleted') && isThere)
        throw new Error(`the topic ${topic} is there`)
    }
    for (const [place, offset] of this.#offsets) {
      const found = content.offsets.get(place) ?? -1
      if (found < offset) throw new Error(`the offset ${place} is ${found}, and ${offset} was acknowledged`)
    }
    for (const [attempt, outcome] of this.#alarms) {
      const isThere = content.alarms.has(attempt)
      if (outcome === 'acknowledged' && !isThere) throw new Error(`the alarm ${attempt} is lost`)
      if ((outcome === 'absent' || outcome === 'cleared') && isThere)
        throw new Error(`the alarm ${attempt} is there`)
    }
  }

  #verifySent({ place, bodies, outcome, offset }: Sent, content: Content): void {
    const topicOutcome = this.#topics.get(place.slice(0, place.indexOf('/')))
    if (topicOutcome === 'deleted' || topicOutcome === 'deleting') return
    const queue = content.queues.get(place)
    const found = bodies.map((body) => queue?.bodies.indexOf(body) ?? -1)
    const isTrimmed = offset !== undefined && queue !== undefined && offset < queue.minOffset
    if (isTrimmed) return
    const isWhole = found.every((at, i) => at >= 0 && at === (found[0] ?? 0) + i)
    const isAbsent = found.every((at) => at < 0)
    const text = `send ${bodies.join(' ')} to ${place}`
    if (outcome === 'acknowledged') {
      if (!isWhole) throw new Error(`${text} was acknowledged and is at ${found.join(', ')}`)
      if (offset !== undefined && found[0] !== offset - (queue?.minOffset ?? 0))
        throw new Error(`${text} has moved`)
    }
    if (outcome === 'absent' && !isAbsent)
      throw new Error(`${text} was refused as not attempted and is there`)
    if (!isWhole && !isAbsent) throw new Error(`${text} is there in part`)
  }

  #verifyNothingElse(content: Content): void {
    const known = new Set(this.#sent.flatMap(({ bodies }) => bodies))
    for (const [place, { bodies }] of content.queues) {
      if (new Set(bodies).size < bodies.length) throw new Error(`${place} holds a message twice`)
      const stranger = bodies.find((body) => !known.has(body))
      if (stranger !== undefined) throw new Error(`${place} holds ${stranger}, which was not sent`)
    }
  }

  #messages(topic: string, bodies: readonly string[], bytes: number) {
    return bodies.map((body, i) => {
      const keys = i % 2 === 0 ? [`k${i}`] : []
      return prepareMessage({ topic, body: body.padEnd(bytes), keys }, this.#ids.next(), this.#clock.now())
    })
  }

  #log(topic: string, queueId: number): QueueLog | undefined {
    return this.#store?.catalog.topic(topic)?.logs[queueId]
  }

  #next(): number {
    this.#count += 1
    return this.#count
  }
}

function outcomeOf(error: unknown): Outcome {
  mustBeTyped(error)
  return error instanceof MQError && error.outcome === 'not-attempted' ? 'absent' : 'unknown'
}

function mustBeTyped(error: unknown): undefined {
  if (!(error instanceof MQError)) throw error
  return undefined
}
