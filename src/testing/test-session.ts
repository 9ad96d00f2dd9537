/** What the lives of a test instance have in common: they come and go with crashes, this stays. */
import { realTime } from '../model/system-clock.ts'
import { type CompleteOpenOptions, parseOpenOptions } from '../open-options.ts'
import { DiskMedium } from '../store/disk-medium.ts'
import type { ClockScope } from './clock-scope.ts'
import { heldMedium } from './disk/held-medium.ts'
import type { MemoryDisk } from './disk/memory-disk.ts'
import { OffsetTrail } from './explain/offset-trail.ts'
import { Faults } from './faults.ts'
import { HandedOut } from './handed-out.ts'
import type { TestLayer } from './layer.ts'
import { Ledger } from './ledger.ts'
import { ledgerLayer, type Receipts, receiptLayer } from './ledger-layer.ts'
import { Linter } from './linter.ts'
import { NastySchedule } from './schedule.ts'
import { SeededRandom } from './seeded-random.ts'
import type { TestMQ } from './test-mq.ts'
import { type CompleteTestOptions, parseTestOptions, type TestMQOptions } from './test-options.ts'
import { VirtualClock } from './virtual-clock.ts'

/**
 * What only keeps an idle instance busy happens rarely, so that hours pass quickly: within a process a lease is given
 * back by whoever holds it, and retention is asked for by tests that look at it.
 */
const LOCK_LEASE_MS = 86_400_000
const RETENTION_INTERVAL_MS = 3_600_000
const MAX_SEED = 2 ** 32

/** A nasty schedule takes this many times as many turns for the same work. */
const NASTY_TURNS = 20

export class TestSession {
  readonly options: CompleteTestOptions
  /** What an instance without a test would be opened with, but for the clock. */
  readonly openOptions: CompleteOpenOptions
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly ledger: Ledger
  readonly handedOut: HandedOut
  readonly trail: OffsetTrail
  readonly faults: Faults
  readonly linter: Linter
  readonly schedule: NastySchedule | undefined
  /** The life that goes on. */
  instance: TestMQ | undefined
  /** Layers that look at what passes; next to the application, so that they see what it sees. */
  readonly observers: readonly TestLayer[]
  /** Layers that change what passes; next to the engine. */
  readonly disturbers: readonly TestLayer[]

  readonly #nearest: readonly TestLayer[]

  private constructor(
    options: CompleteTestOptions,
    openOptions: CompleteOpenOptions,
    nearest: readonly TestLayer[],
  ) {
    this.#nearest = nearest
    this.options = options
    this.openOptions = openOptions
    const patience = options.schedule === 'nasty' ? NASTY_TURNS : 1
    this.clock = new VirtualClock({ ...options, runawayLimit: options.runawayLimit * patience })
    this.random = new SeededRandom(options.seed)
    this.ledger = new Ledger(() => this.clock.now())
    this.handedOut = new HandedOut(this.ledger, () => this.clock.now())
    this.faults = new Faults(this.clock, this.random.branch(), this.handedOut, this.path === undefined)
    this.schedule =
      options.schedule === 'nasty' ? new NastySchedule(this.clock, this.random.branch()) : undefined
    this.linter = new Linter({
      settings: options.strict,
      logger: openOptions.store.logger,
      now: () => this.clock.now(),
      monotonicMs: () => this.clock.monotonicMs(),
      realMs: realTime.nowMs,
    })
    this.trail = new OffsetTrail(() => this.clock.now())
    const receipts: Receipts = new Map()
    this.observers = [
      ledgerLayer(this.ledger, receipts, this.handedOut),
      this.trail.layer(),
      ...(options.strict.level === 'off' ? [] : [this.linter.layer()]),
    ]
    this.disturbers = [
      this.faults.layer(),
      ...(this.schedule?.layers() ?? []),
      ...nearest,
      receiptLayer(receipts),
    ]
  }

  /**
   * Checks the options of a test instance; throws `INVALID_PARAMETER` that names what is wrong. Tests of the test instance itself
   * may put layers of their own next to the engine.
   */
  static of(given: TestMQOptions, nearest: readonly TestLayer[] = []): TestSession {
    const [options, open] = parseTestOptions(given)
    const openOptions = parseOpenOptions({
      ...open,
      storage: open.path === undefined ? 'memory' : 'disk',
      lockLeaseMs: open.lockLeaseMs ?? LOCK_LEASE_MS,
      retention: { intervalMs: RETENTION_INTERVAL_MS, ...open.retention },
      keepAlive: false,
    })
    return new TestSession(options, openOptions, nearest)
  }

  /** Chance had a part in what happened, so that the seed is worth telling. */
  get usesChance(): boolean {
    return this.options.schedule === 'nasty' || this.faults.usesChance
  }

  /** The directory on the real disk, if there is one. */
  get path(): string | undefined {
    return this.openOptions.store.path
  }

  /** What a life is opened with: on this disk, or on the real one. */
  async openOptionsFor(scope: ClockScope, disk: MemoryDisk | undefined): Promise<CompleteOpenOptions> {
    const { openOptions, random, clock, path = '' } = this
    const medium =
      disk ?? heldMedium(await DiskMedium.at(path, scope, true), (work) => clock.hold(work, Infinity))
    // All that waits is in memory, so that the next moment at which something is due is known.
    const own = { storage: 'disk', clock: scope, random, medium, parkedAheadMs: Infinity } as const
    return { ...openOptions, store: { ...openOptions.store, ...own } }
  }

  /** A session with the same settings that begins where this one is now, with random numbers of its own. */
  fork(): TestSession {
    const { options } = this
    // The same numbers would make message ids that the copied store has already.
    const seed = new SeededRandom(options.seed).below(MAX_SEED)
    const settings = { ...options, seed, startTimestamp: this.clock.now() }
    return new TestSession(settings, this.openOptions, this.#nearest)
  }
}
