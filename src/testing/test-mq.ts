/**
 * A PocketMQ for tests: the same engine, store, journal and recovery as in production, over a disk in memory and under a
 * clock that the test moves.
 */
import type { LitePullConsumer } from '../consumer/lite-pull-consumer.ts'
import type { LitePullConsumerOptions } from '../consumer/lite-pull-consumer-options.ts'
import type { ConsumeResult } from '../consumer/message-listener.ts'
import type { CloseReport, PushConsumer } from '../consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../consumer/push-consumer-options.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { type OpenedBroker, openEngine } from '../open.ts'
import type { CompleteOpenOptions } from '../open-options.ts'
import { PocketMQ } from '../pocketmq.ts'
import { DiskMedium } from '../store/disk-medium.ts'
import { heldMedium } from './disk/held-medium.ts'
import { MemoryDisk } from './disk/memory-disk.ts'
import type { InstanceView } from './explain.ts'
import type { Faults } from './faults.ts'
import { layeredCall, layeredEngine } from './layer.ts'
import type { Ledger } from './ledger.ts'
import { recordEvents } from './ledger-layer.ts'
import { Life } from './life.ts'
import type { Linter } from './linter.ts'
import { type SettledOptions, settle } from './settled.ts'
import type { TestMQOptions } from './test-options.ts'
import { TestSession } from './test-session.ts'
import type { ClockScope, VirtualClock } from './virtual-clock.ts'

/** RocketMQ's default, which `createPushConsumer` has too. */
const CONSUME_TIMEOUT_MS = 15 * 60_000

/** Within a process a pull that waits is woken; asking again now and then would only keep an idle instance busy. */
const SUSPEND_MS = 86_400_000

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
  readonly lint: Linter
  /** What the random choices of this instance were made from. */
  readonly seed: number
  readonly #life: TestLife
  /** Retries and all else that the store has scheduled count as scheduled as long as it lives. */
  readonly #removeAgenda: () => void
  readonly #members = new Set<PushConsumer>()
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
    this.#removeAgenda = clock.addAgenda(() => life.opened.store.alarms.nextDueTimestamp())
  }

  /** The first life of a session; applications call {@link createTestMQ}. */
  static begin(session: TestSession): Promise<TestMQ> {
    return TestMQ.#live(
      session,
      session.path === undefined ? new MemoryDisk(session.clock.scope()) : undefined,
    )
  }

  static async #live(session: TestSession, disk: MemoryDisk | undefined): Promise<TestMQ> {
    const scope = session.clock.scope()
    const life = new Life(session.clock)
    const options = await openOptionsOf(session, scope, disk)
    const opened = await openEngine(options, (engine) => layeredEngine(life.guard(engine), session.layers))
    return new TestMQ({ session, opened, options, disk, life, scope })
  }

  /**
   * Resolves when nothing is open any more: no message undelivered to a group with members, in a listener, unacknowledged or,
   * within the horizon, waiting for its retry. For what is due within the horizon time is moved, as far as it takes.
   *
   * Rejects with `NOT_SETTLED` when the deadline passes first; the message lists what is open and why.
   */
  settled(options: SettledOptions = {}): Promise<void> {
    return settle(this.#view(), options)
  }

  override async createPushConsumer(options: PushConsumerOptions): Promise<PushConsumer> {
    const creating = super.createPushConsumer(this.#layered(options))
    this.#nextMemberId = undefined
    const consumer = await creating
    this.#members.add(consumer)
    return consumer
  }

  override createLitePullConsumer(options: LitePullConsumerOptions): Promise<LitePullConsumer> {
    return super.createLitePullConsumer({ suspendMs: SUSPEND_MS, ...options })
  }

  /** Closes as a PocketMQ does; what close waits for, such as a listener that hangs, gets the time that it takes. */
  override close(): Promise<CloseReport> {
    const { session, life } = this.#life
    if (life.isEnded) return Promise.resolve({ drained: false, unfinishedCount: 0 })
    const closing = super.close().finally(this.#removeAgenda)
    // Who moves time already, moves it for this too.
    return session.clock.isMoving ? closing : session.clock.runUntil(closing)
  }

  /**
   * Ends this instance as `kill -9` or a power cut would, at any moment, also in the middle of a listener, and opens another one on
   * what was durable. Clock and ledger go on. The application makes its producers and consumers anew, as after a restart; the
   * old ones reject with `CLOSED`, and what old listeners answer counts no more.
   */
  async crash(how: 'kill' | 'power' = 'kill'): Promise<TestMQ> {
    const { session, disk, life, scope, opened } = this.#life
    if (disk === undefined) throw unsupported('crash')
    if (life.isEnded) throw new MQError('CLOSED', 'This instance has crashed already.')
    opened.onEvent = () => undefined
    life.end()
    scope.end()
    this.#removeAgenda()
    const left = disk.copy(how)
    disk.stop()
    return TestMQ.#live(session, left)
  }

  /**
   * Another instance with a copy of everything stored, a clock of its own that begins at the same time, and an empty ledger.
   * Clients are not copied. Nothing that one of them does reaches the other.
   */
  async fork(): Promise<TestMQ> {
    const { session, disk } = this.#life
    if (disk === undefined) throw unsupported('fork')
    await session.clock.rest()
    this.#template ??= this.#prepareTemplate(disk)
    const template = await this.#template
    const forked = session.fork()
    return TestMQ.#live(forked, template.copy('kill', forked.clock.scope()))
  }

  /** A copy of the disk that was closed cleanly, so that nothing is left to recover. */
  async #prepareTemplate(disk: MemoryDisk): Promise<MemoryDisk> {
    const { session } = this.#life
    const template = disk.copy('kill')
    disk.onWrite = () => {
      this.#template = undefined
      disk.onWrite = undefined
    }
    const copy = await openEngine(await openOptionsOf(session, session.clock.scope(), template))
    await copy.close()
    return template
  }

  /** What `settled` and `explain` look at. */
  #view(): InstanceView {
    const { session, opened, life } = this.#life
    return {
      clock: session.clock,
      engine: opened.engine,
      store: opened.store,
      life,
      consumers: this.#members,
    }
  }

  #layered(options: PushConsumerOptions): PushConsumerOptions {
    if (typeof options?.listener !== 'function') return options
    const { life, session } = this.#life
    const { group, consumeTimeoutMs = CONSUME_TIMEOUT_MS } = options
    const clientId = options.clientId ?? this.#nameMember(group)
    const isBatch = options.consumeMessageBatchMaxSize !== undefined
    const listen = options.listener as (
      input: unknown,
      context: unknown,
    ) => Promise<ConsumeResult | undefined>
    const call = layeredCall(
      async ({ messages, context }) => listen(isBatch ? messages : messages[0], context),
      [...session.layers, life.layer()],
    )
    const listener = (input: MessageView | readonly MessageView[], context: Parameters<typeof listen>[1]) =>
      call({
        group,
        clientId,
        messages: [input].flat() as MessageView[],
        context: context as never,
        consumeTimeoutMs,
      })
    const { suspendMs = SUSPEND_MS } = options
    return { ...options, suspendMs, listener } as PushConsumerOptions
  }

  /** A name that can be read, and that counts as no name of its own: a broadcasting member does not come back under it. */
  #nameMember(group: string): string {
    this.#memberCount += 1
    this.#nextMemberId = `${group}-${this.#memberCount}`
    return this.#nextMemberId
  }

  protected override nextClientId(): string {
    return this.#nextMemberId ?? super.nextClientId()
  }
}

async function openOptionsOf(
  { openOptions, random, clock, path }: TestSession,
  scope: ClockScope,
  disk: MemoryDisk | undefined,
): Promise<CompleteOpenOptions> {
  const medium =
    disk ?? heldMedium(await DiskMedium.at(path ?? '', scope, true), (work) => clock.hold(work, Infinity))
  return { ...openOptions, store: { ...openOptions.store, storage: 'disk', clock: scope, random, medium } }
}

function unsupported(what: string): MQError {
  return new MQError(
    'UNSUPPORTED',
    `${what}() copies what is stored, which only works in memory; leave the path out.`,
  )
}
