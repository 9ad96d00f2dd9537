/** What the lives of a test instance have in common: they come and go with crashes, this stays. */
import type { TestLayer } from './layer.ts'
import { Ledger } from './ledger.ts'
import { ledgerLayer } from './ledger-layer.ts'
import { SeededRandom } from './seeded-random.ts'
import { type CompleteTestOptions, parseTestOptions, type TestMQOptions } from './test-options.ts'
import { VirtualClock } from './virtual-clock.ts'

export class TestSession {
  readonly options: CompleteTestOptions
  /** What `PocketMQ.open` is given. */
  readonly open: ReturnType<typeof parseTestOptions>[1]
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly ledger: Ledger
  /** From the application to the engine. */
  readonly layers: readonly TestLayer[]
  readonly #given: TestMQOptions

  constructor(given: TestMQOptions) {
    const [options, open] = parseTestOptions(given)
    this.#given = given
    this.options = options
    this.open = open
    this.clock = new VirtualClock(options)
    this.random = new SeededRandom(options.seed)
    this.ledger = new Ledger(() => this.clock.now())
    this.layers = [ledgerLayer(this.ledger)]
  }

  /** The directory on the real disk, if there is one. */
  get path(): string | undefined {
    return this.open.path
  }

  /** A session with the same settings that begins where this one is now. */
  fork(): TestSession {
    return new TestSession({ ...this.#given, startTime: this.clock.now() })
  }
}
