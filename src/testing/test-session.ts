/** What the lives of a test instance have in common: they come and go with crashes, this stays. */
import { type CompleteOpenOptions, parseOpenOptions } from '../open-options.ts'
import { Faults } from './faults.ts'
import type { TestLayer } from './layer.ts'
import { Ledger } from './ledger.ts'
import { ledgerLayer } from './ledger-layer.ts'
import { Linter } from './linter.ts'
import { nastySchedule } from './schedule.ts'
import { SeededRandom } from './seeded-random.ts'
import { type CompleteTestOptions, parseTestOptions, type TestMQOptions } from './test-options.ts'
import { VirtualClock } from './virtual-clock.ts'

/**
 * What only keeps an idle instance busy happens rarely, so that hours pass quickly: within a process a lease is given
 * back by whoever holds it, and retention is asked for by tests that look at it.
 */
const LOCK_LEASE_MS = 86_400_000
const RETENTION_INTERVAL_MS = 3_600_000
const MAX_SEED = 2 ** 32

export class TestSession {
  readonly options: CompleteTestOptions
  /** What an instance without a test would be opened with, but for the clock. */
  readonly openOptions: CompleteOpenOptions
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly ledger: Ledger
  readonly faults = new Faults()
  readonly linter = new Linter()
  /** From the application to the engine. */
  readonly layers: readonly TestLayer[]

  readonly #nearest: readonly TestLayer[]

  private constructor(
    options: CompleteTestOptions,
    openOptions: CompleteOpenOptions,
    nearest: readonly TestLayer[],
  ) {
    this.#nearest = nearest
    this.options = options
    this.openOptions = openOptions
    this.clock = new VirtualClock(options)
    this.random = new SeededRandom(options.seed)
    this.ledger = new Ledger(() => this.clock.now())
    this.layers = [
      ledgerLayer(this.ledger),
      ...(options.strict === 'off' ? [] : [this.linter.layer()]),
      this.faults.layer(),
      ...(options.schedule === 'nasty' ? [nastySchedule(this.clock, this.random)] : []),
      ...nearest,
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

  /** The directory on the real disk, if there is one. */
  get path(): string | undefined {
    return this.openOptions.store.path
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
