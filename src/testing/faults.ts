/** Faults that a test scripts, in RocketMQ's words. */
import { inspect } from 'node:util'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { DiskFaults } from './disk/memory-disk.ts'
import { ACKNOWLEDGE_VERBS, type EngineVerb, SEND_VERBS, type VerbCall } from './engine-verbs.ts'
import { callAgain } from './fault/deliveries.ts'
import { type CallAct, type CallMoment, FaultPoints } from './fault/fault-points.ts'
import { FaultyDisk } from './fault/faulty-disk.ts'
import {
  type CrashFault,
  type CrashOptions,
  type CrashPoint,
  type DelayOptions,
  type FailOptions,
  type FullDiskOptions,
  faultSchemas,
  parseFault,
  parseStatus,
  parseVerb,
  type SlowDiskOptions,
  type WeakSendStatus,
} from './fault/options.ts'
import { type Fault, type FaultRule, RuledFault } from './fault/rule.ts'
import {
  answerWithStatus,
  delayCall,
  delayOneway,
  type Later,
  loseAnswer,
  loseOneway,
  refuse,
  type VerbAct,
} from './fault/verb-acts.ts'
import type { HandedOut } from './handed-out.ts'
import type { TestLayer } from './layer.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { TestMQ } from './test-mq.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What faults do to the instance that lives now. */
interface FaultyLife {
  crash(how: 'kill' | 'power'): Promise<TestMQ>
  /** Lets the store see what the disk is like. */
  watchDisk(): Promise<void>
}

/**
 * What goes wrong in a test, as the test says. A fault acts until it is removed or has acted as often as it was told, also
 * across crashes; a fork begins without faults. Several may act on one call: the one that was made first stands outermost.
 *
 * Methods throw `INVALID_PARAMETER` for options that are unknown or contradict each other.
 *
 * @example
 * ```ts
 * import { createTestMQ } from 'pocketmq/testing'
 * await using mq = await createTestMQ()
 * const busy = mq.faults.failSend({ topic: 'orders', nth: 3, code: 'SYSTEM_BUSY' })
 * const producer = await mq.createProducer({ group: 'shop' })
 * for (let i = 1; i <= 3; i++)
 *   await producer.send({ topic: 'orders', body: `order ${i}` }).catch((error) => console.log(error.code, error.outcome))
 * console.log(busy.hitCount, mq.faults.unused())
 * ```
 */
export class Faults {
  readonly #random: SeededRandom
  readonly #handedOut: HandedOut
  readonly #points: FaultPoints
  /** Absent on the real disk. */
  readonly #disk: FaultyDisk | undefined
  readonly #later: Later
  #made: readonly RuledFault[] = []
  /** Crashes that somebody may wait for. */
  readonly #unreached = new Map<RuledFault, (reopened: Promise<never>) => void>()
  #life: FaultyLife | undefined

  /** A test instance makes them. */
  constructor(clock: VirtualClock, random: SeededRandom, handedOut: HandedOut, isInMemory: boolean) {
    this.#random = random
    this.#handedOut = handedOut
    this.#points = new FaultPoints(clock)
    this.#disk = isInMemory ? new FaultyDisk() : undefined
    this.#later = (delayMs) => this.#points.later(delayMs)
  }

  /** Refuses sends: nothing is stored, and the sender gets the error with outcome `not-attempted`. */
  failSend(options: FailOptions = {}): Fault {
    const { code = 'SYSTEM_BUSY', ...rule } = parseFault('failSend', faultSchemas.fail, options)
    return this.#onVerbs(['failSend', options], rule, SEND_VERBS, (words) => refuse(code, words))
  }

  /**
   * Stores what is sent and loses the receipt: the sender gets the error, by default `SEND_TIMEOUT`, with outcome `unknown`.
   * It gets it as soon as the message is stored; time does not move for it.
   */
  loseReceipt(options: FailOptions = {}): Fault {
    const { code = 'SEND_TIMEOUT', ...rule } = parseFault('loseReceipt', faultSchemas.fail, options)
    return this.#onVerbs(['loseReceipt', options], rule, SEND_VERBS, (words) => loseAnswer(code, words))
  }

  /** Stores what is sent and answers a receipt with this status. Every status means stored; how safely is what differs. */
  answerStatus(status: WeakSendStatus, options: FaultRule = {}): Fault {
    const rule = parseFault('answerStatus', faultSchemas.rule, options)
    const act = answerWithStatus(parseStatus(status))
    return this.#onVerbs(['answerStatus', status, options], rule, SEND_VERBS, () => act)
  }

  /**
   * Lets acknowledgements reach the engine late, while consumers believe that they are through: what is not through when the
   * instance crashes or the queue changes hands is delivered again. Counts commits of offsets, of which one may cover
   * many messages. `settled()` waits for those that are due within its horizon.
   */
  delayAcknowledgements(options: DelayOptions): Fault {
    const { byMs, ...rule } = parseFault('delayAcknowledgements', faultSchemas.delay, options)
    const act = delayOneway(byMs, this.#later)
    return this.#onVerbs(['delayAcknowledgements', options], rule, ACKNOWLEDGE_VERBS, () => act)
  }

  /**
   * Loses acknowledgements, while consumers believe that they are through. Counts commits of offsets; a later one covers
   * those that were lost before.
   */
  loseAcknowledgements(options: FaultRule = {}): Fault {
    const rule = parseFault('loseAcknowledgements', faultSchemas.rule, options)
    return this.#onVerbs(['loseAcknowledgements', options], rule, ACKNOWLEDGE_VERBS, () => loseOneway)
  }

  /**
   * Calls a listener again for messages that it has just succeeded on, as at-least-once delivery may do. What it answers
   * then is what counts. Counts successful calls.
   */
  duplicateDeliveries(options: FaultRule = {}): Fault {
    const rule = parseFault('duplicateDeliveries', faultSchemas.rule, options)
    return this.#onCalls(['duplicateDeliveries', options], rule, 'succeeded', callAgain)
  }

  /** Refuses calls of a verb, which then never reach the engine. */
  fail(verb: EngineVerb, options: FailOptions = {}): Fault {
    const { code = 'SYSTEM_BUSY', ...rule } = parseFault('fail', faultSchemas.fail, options)
    const verbs = [parseVerb('fail', verb)]
    return this.#onVerbs(['fail', verb, options], rule, verbs, (words) => refuse(code, words))
  }

  /**
   * Holds calls of a verb up before they reach the engine. A send whose timeout is over by then gets `SEND_TIMEOUT` with
   * outcome `unknown`, and is stored all the same.
   */
  delay(verb: EngineVerb, options: DelayOptions): Fault {
    const { byMs, ...rule } = parseFault('delay', faultSchemas.delay, options)
    const verbs = [parseVerb('delay', verb)]
    return this.#onVerbs(['delay', verb, options], rule, verbs, (words) =>
      delayCall(byMs, this.#later, words),
    )
  }

  /**
   * Crashes the instance at a certain point of a send or a delivery, once; as `mq.crash()` does, which may also be called
   * anywhere in a listener. `reopened` rejects with `CLOSED` when the fault is removed or the instance closes before that.
   * Throws `UNSUPPORTED` on the real disk.
   *
   * @example
   * ```ts
   * import { createTestMQ } from 'pocketmq/testing'
   * await using mq = await createTestMQ()
   * await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined })
   * const crash = mq.faults.crash({ at: 'before-acknowledge', group: 'billing', nth: 2 })
   * const producer = await mq.createProducer({ group: 'shop' })
   * await producer.send([{ topic: 'orders', body: 'first' }, { topic: 'orders', body: 'second' }])
   * await using reopened = await crash.reopened
   * console.log(await reopened.admin.consumerProgress('billing'))
   * ```
   */
  crash(options: CrashOptions): CrashFault {
    const { at, how, ...rule } = parseFault('crash', faultSchemas.crash, options)
    this.#checkInMemory('crash')
    const once = rule.nth === undefined ? { ...rule, times: 1 } : rule
    const { promise, resolve } = settleable<TestMQ>()
    const crash = (): Promise<never> => {
      this.#unreached.delete(fault)
      resolve(this.#life?.crash(how) ?? Promise.reject(new MQError('CLOSED', 'There is nothing to crash.')))
      // Whoever waits for an answer is dead.
      return new Promise(() => undefined)
    }
    const fault = this.#addCrash(['crash', options], once, at, crash)
    this.#unreached.set(fault, resolve)
    return Object.assign(fault, { reopened: promise })
  }

  /**
   * Lets each asynchronous call of the disk take so long. A flush that takes longer than `syncFlushTimeoutMs` makes sends in
   * `SYNC_FLUSH` answer `FLUSH_DISK_TIMEOUT`. Throws `UNSUPPORTED` on the real disk.
   */
  slowDisk(options: SlowDiskOptions): Fault {
    const { delayMs } = parseFault('slowDisk', faultSchemas.slowDisk, options)
    const disk = this.#checkInMemory('slowDisk')
    const fault = this.#make(['slowDisk', options], {})
    disk.addSlow({ fault, delayMs })
    return fault
  }

  /**
   * Takes the room from the disk: the store goes `read-only` and refuses sends with `DISK_FULL`, until the fault is removed.
   * Counts what was refused for want of room. Throws `UNSUPPORTED` on the real disk.
   */
  fullDisk(options: FullDiskOptions = {}): Fault {
    const { refuseWrites } = parseFault('fullDisk', faultSchemas.fullDisk, options)
    const disk = this.#checkInMemory('fullDisk')
    const fault = this.#make(['fullDisk', options], {})
    if (disk.addFull({ fault, refuseWrites })) this.#watchDisk()
    return fault
  }

  /** The faults that never acted, also those that were removed: a test that expected one of them did not test it. */
  unused(): readonly Fault[] {
    return this.#made.filter(({ hitCount }) => hitCount === 0)
  }

  /** Removes and forgets all faults. */
  clear(): void {
    for (const fault of this.#made) fault.remove()
    this.#made = []
  }

  /** Whether any of them chooses by chance. */
  get usesChance(): boolean {
    return this.#made.some(({ usesChance }) => usesChance)
  }

  /** How the disk misbehaves; for the test instance, which also calls what follows. */
  get diskFaults(): DiskFaults | undefined {
    return this.#disk?.faults
  }

  /** A life has begun, and is the one that crashes. */
  attach(life: FaultyLife): void {
    this.#life = life
  }

  /** The instance has closed: no crash can be reached any more. */
  end(): void {
    for (const fault of this.#unreached.keys()) this.#giveUp(fault)
  }

  layer(): TestLayer {
    return this.#points.layer((error) => {
      if (error instanceof MQError && error.code === 'DISK_FULL') this.#disk?.noteRefused()
    })
  }

  #onVerbs(
    made: Made,
    rule: FaultRule,
    verbs: readonly EngineVerb[],
    act: (words: string) => VerbAct,
  ): RuledFault {
    const fault = this.#make(made, rule)
    this.#points.addToVerbs(fault, verbs, act(fault.description))
    return fault
  }

  #onCalls(made: Made, rule: FaultRule, when: CallMoment, act: CallAct): RuledFault {
    const fault = this.#make(made, rule)
    this.#points.addToCalls(fault, when, act)
    return fault
  }

  #addCrash(made: Made, rule: FaultRule, at: CrashPoint, crash: () => Promise<never>): RuledFault {
    switch (at) {
      case 'before-store':
        return this.#onVerbs(made, rule, SEND_VERBS, () => crash)
      case 'after-store':
        return this.#onVerbs(made, rule, SEND_VERBS, () => async (call) => {
          await call.proceed()
          return crash()
        })
      case 'before-listener':
        return this.#onCalls(made, rule, 'called', crash)
      case 'in-listener':
        return this.#onCalls(made, rule, 'called', (next, call) => {
          next(call).catch(() => undefined)
          return crash()
        })
      case 'before-acknowledge': {
        const fault = this.#onCalls(made, rule, 'succeeded', crash)
        this.#points.addToVerbs(fault, ACKNOWLEDGE_VERBS, crash, (call) => this.#isSettling(call))
        return fault
      }
    }
  }

  /** Whether a verb acknowledges what the application received or polled; that of listeners has succeeded before. */
  #isSettling({ verb, parameters }: VerbCall): boolean {
    if (verb !== 'updateConsumerOffset') return true
    const [group, queue, offset, , clientId] = parameters as Parameters<Engine['updateConsumerOffset']>
    return this.#handedOut.isCommit(group, queue, offset, clientId)
  }

  #make([method, ...args]: Made, rule: FaultRule): RuledFault {
    const words = args.map((arg) => inspect(arg, { breakLength: Infinity })).join(', ')
    const fault = new RuledFault(`${method}(${words})`, rule, this.#random, () => this.#onRemoved())
    this.#made = [...this.#made, fault]
    return fault
  }

  #giveUp(fault: RuledFault): void {
    const text = `${fault.description} was never reached, so there is nothing that was reopened.`
    this.#unreached.get(fault)?.(Promise.reject(new MQError('CLOSED', text)))
    this.#unreached.delete(fault)
  }

  #onRemoved(): void {
    for (const fault of this.#unreached.keys()) if (fault.isRemoved) this.#giveUp(fault)
    this.#points.update()
    if (this.#disk?.update() === true) this.#watchDisk()
  }

  #watchDisk(): void {
    if (this.#life !== undefined) this.#points.waitFor(this.#life.watchDisk())
  }

  #checkInMemory(what: string): FaultyDisk {
    if (this.#disk !== undefined) return this.#disk
    throw new MQError('UNSUPPORTED', `${what}() needs the disk in memory; leave the path out.`)
  }
}

/** A method and what it was called with. */
type Made = readonly [method: string, ...args: unknown[]]

function settleable<T>(): { promise: Promise<T>; resolve: (value: T | Promise<T>) => void } {
  let resolve: (value: T | Promise<T>) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  // It may reject before anybody asks for it.
  promise.catch(() => undefined)
  return { promise, resolve }
}
