/**
 * A PocketMQ for tests: the same engine, store, journal and recovery as in production, over a disk in memory and under a
 * clock that the test moves.
 */
import type { PolledMessages } from '../consumer/consumer-host.ts'
import type { LitePullConsumer } from '../consumer/lite-pull-consumer.ts'
import type { LitePullConsumerOptions } from '../consumer/lite-pull-consumer-options.ts'
import type { CloseReport, PushConsumer } from '../consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../consumer/push-consumer-options.ts'
import { MQError } from '../model/errors.ts'
import { type OpenedBroker, openEngine } from '../open.ts'
import type { CompleteOpenOptions } from '../open-options.ts'
import { PocketMQ } from '../pocketmq.ts'
import type { Producer } from '../producer/producer.ts'
import type { ProducerOptions } from '../producer/producer-options.ts'
import type { ClockScope } from './clock-scope.ts'
import { MemoryDisk } from './disk/memory-disk.ts'
import type { Explanation } from './explain/explanation.ts'
import type { InstanceView } from './explain/instance-view.ts'
import { explain } from './explain.ts'
import type { Faults } from './faults.ts'
import { layeredEngine } from './layer.ts'
import { layeredListener } from './layered-listener.ts'
import type { Ledger } from './ledger.ts'
import { recordEvents } from './ledger-layer.ts'
import { Life } from './life.ts'
import type { LintReport } from './linter.ts'
import { type SettledOptions, settle } from './settled.ts'
import type { TestMQOptions } from './test-options.ts'
import { TestSession } from './test-session.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Within a process a pull that waits is woken; asking again now and then would only keep an idle instance busy. */
const SUSPEND_MS = 86_400_000

/** What close answers when there is nothing to close any more. */
const CRASHED: CloseReport = { drained: false, unfinishedCount: 0 }

/** What of a virtual clock is for tests. */
export type TestClock = Pick<
  VirtualClock,
  'now' | 'advance' | 'advanceTo' | 'runNext' | 'runUntil' | 'jump' | 'sleep' | 'rest'
>

/** One life of a test instance: what it stands on. */
interface TestLife {
  readonly session: TestSession
  readonly opened: OpenedBroker
  readonly options: CompleteOpenOptions
  readonly disk: MemoryDisk | undefined
  readonly life: Life
  readonly scope: ClockScope
}

/**
 * Opens a PocketMQ for a test, in memory and under a virtual clock. Each stands for itself; any number may live side by side.
 * Rejects with `INVALID_PARAMETER` that names what is wrong with an option.
 *
 * @example
 * ```ts
 * import { createTestMQ } from 'pocketmq/testing'
 * await using mq = await createTestMQ()
 * await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined })
 * const producer = await mq.createProducer({ group: 'shop' })
 * await producer.send({ topic: 'orders', body: 'hello' })
 * await mq.settled()
 * ```
 */
export async function createTestMQ(options: TestMQOptions = {}): Promise<TestMQ> {
  return TestMQ.begin(TestSession.of(options))
}

/** What {@link createTestMQ} answers. */
export class TestMQ extends PocketMQ {
  /** Time, which stands still until it is moved. */
  readonly clock: TestClock
  /** What happened to every message. */
  readonly ledger: Ledger
  /** What goes wrong, as the test says. */
  readonly faults: Faults
  /** What would break on a RocketMQ cluster; empty unless `strict` asks for it. */
  readonly lint: LintReport
  /** What the random choices of this instance were made from. */
  readonly seed: number
  readonly #life: TestLife
  /** Retries and all else that the store has scheduled count as scheduled as long as it lives. */
  readonly #removeAgenda: () => void
  readonly #members = new Set<PushConsumer>()
  /** After a crash, what was durable, until it is open again. */
  #left: MemoryDisk | undefined
  #memberCount = 0
  /** The name that the consumer being made gets. */
  #nextMemberId: string | undefined
  /** What every fork begins with, until something is written. */
  #template: Promise<MemoryDisk> | undefined

  private constructor(life: TestLife) {
    super(life.opened, life.options)
    this.#life = life
    const { clock, ledger, faults, linter, options } = life.session
    this.clock = clock
    this.ledger = ledger
    this.faults = faults
    this.lint = linter
    this.seed = options.seed
    recordEvents(ledger, this)
    this.on('warning', (warning) => linter.noteWarning(warning))
    life.session.instance = this
    faults.attach({ crash: (how) => this.crash(how), watchDisk: () => life.opened.store.watchDisk() })
    this.#removeAgenda = clock.addAgenda(() => life.opened.store.alarms.nextDueTimestamp())
  }

  /** The first life of a session; applications call {@link createTestMQ}. */
  static begin(session: TestSession): Promise<TestMQ> {
    const { clock, faults, path } = session
    return TestMQ.#live(
      session,
      path === undefined ? new MemoryDisk(clock.scope(true), faults.diskFaults) : undefined,
    )
  }

  static async #live(session: TestSession, disk: MemoryDisk | undefined): Promise<TestMQ> {
    const scope = session.clock.scope()
    const life = new Life(session.clock)
    const options = await session.openOptionsFor(scope, disk)
    const opened = await openEngine(options, (engine) => {
      const disturbed = layeredEngine(life.gate(engine), session.disturbers)
      return layeredEngine(life.guard(disturbed), session.observers)
    })
    session.linter.attend(opened.broker)
    const mq = new TestMQ({ session, opened, options, disk, life, scope })
    if (opened.boxes !== undefined) {
      // As `PocketMQ.open` does. What keeps it from being tried is told by events.
      const tried = life.untilEnd('open', opened.boxes.outbox.tried())
      await session.clock.runUntil(tried.catch(() => undefined))
    }
    return mq
  }

  /** True when chance had a part in what happened, by a nasty schedule or by faults: then the seed replays it. */
  get usesChance(): boolean {
    return this.#life.session.usesChance
  }

  /**
   * Resolves when nothing is open any more: no message undelivered to a group with members, in a listener, or unacknowledged. What
   * only time brings, such as a retry, the end of a queue's rest, or what a rate limit lets start, counts within the horizon: time
   * is moved for it, as far as it takes. What simple and pull consumers have not asked for holds nothing up.
   *
   * Rejects with `NOT_SETTLED` when the deadline passes first, by default a second of real time in which time has not moved; the
   * message lists what is open and why. Rejects with `INVALID_PARAMETER` for wrong options, and `CLOSED` after a crash or `close`.
   *
   * @example
   * ```ts
   * import { createTestMQ } from 'pocketmq/testing'
   * await using mq = await createTestMQ()
   * await mq.settled() // what can happen now
   * await mq.settled({ horizon: '5h' }) // and what is due within five hours, retries for example
   * ```
   */
  async settled(options: SettledOptions = {}): Promise<void> {
    if (this.state === 'closed') throw new MQError('CLOSED', 'The instance is closed; nothing is open in it.')
    return settle(this.#view(), options)
  }

  /**
   * Why a message did, or did not, reach a group: every gate on the way of each stored copy, with its verdict, the reason and,
   * where that is known, when it opens. Waits until everything that can happen now has happened; changes nothing.
   *
   * Rejects with `INVALID_PARAMETER` for something that is no message id, `NO_MESSAGE` for an id that nobody has seen,
   * `SUBSCRIPTION_GROUP_NOT_EXIST` for an unknown group, and `CLOSED` after a crash.
   *
   * @example
   * ```ts
   * import { createTestMQ } from 'pocketmq/testing'
   * await using mq = await createTestMQ()
   * const consumer = await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: 'paid' }, listener: () => undefined })
   * consumer.pause()
   * const producer = await mq.createProducer({ group: 'shop' })
   * const { messageId } = await producer.send({ topic: 'orders', body: 'hello', tag: 'paid' })
   * const explanation = await mq.explain(messageId, 'billing')
   * console.log(explanation.verdict, explanation.gate?.name) // blocked pause
   * console.log(explanation.text())
   * ```
   */
  async explain(messageId: string, group: string): Promise<Explanation> {
    if (this.#life.life.isEnded)
      throw new MQError('CLOSED', 'This instance has crashed; ask the one that crash() answered.')
    return explain(this.#view(), messageId, group)
  }

  override createProducer(options: ProducerOptions): Promise<Producer> {
    return super.createProducer(this.#life.session.linter.noteProducer(options))
  }

  protected override async startPushConsumer(options: PushConsumerOptions): Promise<PushConsumer> {
    const { life, session } = this.#life
    const clientId = options?.clientId ?? this.#nameMember(options?.group)
    const layered = layeredListener(options, { clientId, life, session })
    session.linter.noteConsumer(layered, clientId)
    if (options?.clientId === undefined) this.#nextMemberId = clientId
    const creating = super.startPushConsumer(
      layered === options ? options : { suspendMs: SUSPEND_MS, ...layered },
    )
    this.#nextMemberId = undefined
    const consumer = await creating
    this.#members.add(consumer)
    return consumer
  }

  protected override startLitePullConsumer(options: LitePullConsumerOptions): Promise<LitePullConsumer> {
    return super.startLitePullConsumer({ suspendMs: SUSPEND_MS, ...options })
  }

  /**
   * Closes as a PocketMQ does; what close waits for, such as a listener that hangs, gets the time that it takes. With
   * `strict: 'throw'` it rejects with `LINT_FAILED`, closed all the same, if the linter has found what it could not refuse.
   */
  override close(): Promise<CloseReport> {
    const { session, life } = this.#life
    if (life.isEnded) return Promise.resolve(CRASHED)
    const closing = life
      .untilEnd('close', super.close())
      .catch((error) => (life.isEnded ? CRASHED : Promise.reject(error)))
      .finally(() => this.#end())
      .then((report) => {
        if (report !== CRASHED) session.linter.checkPassed()
        return report
      })
    return session.clock.runUntil(closing)
  }

  #end(): void {
    const { session, life } = this.#life
    this.#removeAgenda()
    if (life.isEnded) return
    this.faults.end()
    session.clock.endSleeps(new MQError('CLOSED', 'The instance is closed; its time need not go on.'))
  }

  /**
   * Ends this instance as `kill -9` or a power cut would, at any moment, also in the middle of a listener, and opens another one on
   * what was durable. Clock and ledger go on. The application makes its producers and consumers anew, as after a restart; the
   * old ones reject with `CLOSED`, and what old listeners answer counts no more. It works after `close()` too.
   *
   * Rejects with what keeps the store from opening, a full disk for example; then it may be called again. Rejects with
   * `CLOSED` when the instance has crashed already, and with `UNSUPPORTED` on the real disk.
   *
   * @example
   * ```ts
   * import { createTestMQ } from 'pocketmq/testing'
   * const mq = await createTestMQ()
   * const producer = await mq.createProducer({ group: 'shop' })
   * await producer.send({ topic: 'orders', body: 'hello' })
   * await using reopened = await mq.crash()
   * console.log(await reopened.admin.topicStatus('orders'))
   * ```
   */
  async crash(how: 'kill' | 'power' = 'kill'): Promise<TestMQ> {
    const { disk, life, scope, opened } = this.#life
    if (disk === undefined) throw unsupported('crash')
    if (life.isEnded) return this.#reopenAgain()
    opened.onEvent = () => undefined
    life.end()
    scope.end()
    this.#removeAgenda()
    const left = disk.copy(how, undefined, disk.faults)
    disk.stop()
    this.removeAllListeners()
    this.#left = left
    return this.#reopen(left)
  }

  /** A full disk may have kept the next life from beginning; what was durable is still there. */
  #reopenAgain(): Promise<TestMQ> {
    if (this.#left === undefined) throw new MQError('CLOSED', 'This instance has crashed already.')
    return this.#reopen(this.#left)
  }

  async #reopen(left: MemoryDisk): Promise<TestMQ> {
    const { session } = this.#life
    const { faults } = left
    const copy = left.copy('kill', undefined, faults)
    const reopening = TestMQ.#live(session, copy)
    const reopened = await (faults.delayMs === 0 ? reopening : session.clock.runUntil(reopening))
    this.#left = undefined
    return reopened
  }

  /**
   * Another instance with a copy of everything stored, a clock of its own that begins at the same time, and an empty ledger.
   * Clients are not copied. Nothing that one of them does reaches the other. It works after `close()` too.
   *
   * Rejects with `CLOSED` after a crash, and with `UNSUPPORTED` on the real disk or with a `database`, which cannot be copied.
   *
   * @example
   * ```ts
   * import { createTestMQ } from 'pocketmq/testing'
   * const seeded = await createTestMQ()
   * const producer = await seeded.createProducer({ group: 'shop' })
   * await producer.send({ topic: 'orders', body: 'hello' })
   * await using mq = await seeded.fork()
   * console.log(await mq.admin.topicStatus('orders'))
   * ```
   */
  async fork(): Promise<TestMQ> {
    const { session, disk, life } = this.#life
    if (disk === undefined) throw unsupported('fork')
    if (session.openOptions.database !== undefined) throw databaseNotCopied()
    if (life.isEnded)
      throw new MQError('CLOSED', 'This instance has crashed; fork the one that crash() answered.')
    await session.clock.rest()
    this.#template ??= this.#prepareTemplate(disk)
    const template = await this.#template
    const forked = session.fork()
    return TestMQ.#live(forked, template.copy('kill', forked.clock.scope(true), forked.faults.diskFaults))
  }

  /** A copy of the disk that was closed cleanly, so that nothing is left to recover. */
  async #prepareTemplate(disk: MemoryDisk): Promise<MemoryDisk> {
    const { session } = this.#life
    const template = disk.copy('kill')
    disk.onWrite = () => {
      this.#template = undefined
      disk.onWrite = undefined
    }
    const copy = await openEngine(await session.openOptionsFor(session.clock.scope(), template))
    await copy.close()
    return template
  }

  /** What `settled` and `explain` look at. */
  #view(): InstanceView {
    const { session, opened, life } = this.#life
    return {
      clock: session.clock,
      // Without layers: a look changes nothing, and no fault is hit by it.
      engine: life.gate(opened.broker),
      broker: opened.broker,
      store: opened.store,
      life,
      ledger: session.ledger,
      trail: session.trail,
      handedOut: session.handedOut,
      consumers: this.#members,
    }
  }

  /** A name that can be read, and that counts as no name of its own: a broadcasting member does not come back under it. */
  #nameMember(group: string): string {
    this.#memberCount += 1
    return `${group}-${this.#memberCount}`
  }

  protected override onPolled(polled: PolledMessages): void {
    const { session, life } = this.#life
    if (!life.isEnded) session.handedOut.poll(polled)
  }

  protected override nextClientId(group?: string): string {
    if (group === undefined) return super.nextClientId()
    return this.#nextMemberId ?? this.#nameMember(group)
  }
}

function databaseNotCopied(): MQError {
  const text =
    'fork() does not copy your database, whose outbox and inbox go with the store; open another instance.'
  return new MQError('UNSUPPORTED', text)
}

function unsupported(what: string): MQError {
  return new MQError(
    'UNSUPPORTED',
    `${what}() copies what is stored, which only works in memory; leave the path out.`,
  )
}
