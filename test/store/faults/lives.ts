/**
 * Lives of one store: opened, worked with, stopped at some call, opened again, where the stop may come in the middle of
 * opening. After each opening that succeeds the store is held against the history.
 */
import { silentLogger } from '../../../src/model/logger.ts'
import { Store } from '../../../src/store/store.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from '../../../src/store/store-options.ts'
import { WorkloadRandom } from '../../crash/workload-random.ts'
import { FaultMedium, type FaultMediumOptions } from '../../helpers/fault-medium.ts'
import { ManualClock } from '../../helpers/manual-clock.ts'
import type { DecideFate, Fate } from './call-gate.ts'
import { longestPrefix, readContent } from './history.ts'
import { Record, Workload } from './workload.ts'

const STOPS: readonly Fate[] = ['stops-before', 'stops-within', 'stops-after']
const KIB = 1024
const SMALL_BODIES = [4, 40, 400, 3 * KIB]
const LARGE_BODIES = [4, 400, KIB * KIB, 3 * KIB * KIB]
const LARGE_MAX_BYTES = 100 * KIB * KIB

/** How a store over a medium is opened here: small generations, so that retention has something to do. */
export function faultOptions(
  medium: FaultMedium,
  clock: ManualClock,
  flushDiskType: StoreOptions['flushDiskType'],
  maxBytes = 60 * KIB,
): StoreOptions {
  return {
    ...DEFAULT_STORE_OPTIONS,
    storage: 'disk',
    flushDiskType,
    retention: { maxAgeMs: 3_600_000, maxBytes, intervalMs: 1000 },
    brokerName: 'faulty',
    clock,
    random: new WorkloadRandom(1),
    logger: silentLogger,
    medium,
  }
}

/** What the lives of one store showed. */
export interface LivesReport {
  readonly openings: number
  readonly stopsWhileOpening: number
  readonly operations: number
  readonly survived: number
}

export class Lives {
  readonly #random: WorkloadRandom
  readonly #flushDiskType: StoreOptions['flushDiskType']
  readonly #isLarge: boolean
  readonly #record = new Record()
  readonly #clock = new ManualClock()
  #medium: FaultMedium
  /** So many operations must be there at the next opening. */
  #required = 0
  #openings = 0
  #stopsWhileOpening = 0
  #operations = 0
  #survived = 0

  /** With large bodies journal segments come and go. */
  constructor(seed: number, flushDiskType: StoreOptions['flushDiskType'], isLarge = false) {
    this.#random = new WorkloadRandom(seed)
    this.#isLarge = isLarge
    this.#flushDiskType = flushDiskType
    this.#medium = new FaultMedium(this.#mediumOptions())
  }

  async run(count: number): Promise<LivesReport> {
    for (let life = 0; life < count; life++) {
      await Promise.race([this.#live(), this.#medium.gate.stopped])
      this.#crash(this.#mediumOptions())
    }
    this.#crash({})
    const store = await this.#open()
    await this.#verify(store)
    await store.close()
    return {
      openings: this.#openings,
      stopsWhileOpening: this.#stopsWhileOpening,
      operations: this.#operations,
      survived: this.#survived,
    }
  }

  async #live(): Promise<void> {
    const medium = this.#medium
    this.#stopsWhileOpening += 1
    const store = await this.#open()
    this.#stopsWhileOpening -= 1
    await this.#verify(store)
    const workload = new Workload(store, medium, this.#clock, this.#random.fork(), this.#record, {
      isSyncFlush: this.#flushDiskType === 'SYNC_FLUSH',
      bodyBytes: this.#isLarge ? LARGE_BODIES : SMALL_BODIES,
    })
    await workload.run(this.#random.between(3, 40))
    if (workload.problem !== undefined) throw workload.problem
    if (this.#random.chance(0.5)) await workload.close()
    if (workload.problem !== undefined) throw workload.problem
  }

  #open(): Promise<Store> {
    this.#openings += 1
    const maxBytes = this.#isLarge ? LARGE_MAX_BYTES : undefined
    return Store.open(faultOptions(this.#medium, this.#clock, this.#flushDiskType, maxBytes))
  }

  /** Holds the store against the history, which from now on is what survived. */
  async #verify(store: Store): Promise<void> {
    const record = this.#record
    const { problems } = await store.check()
    if (problems.length > 0) throw new Error(`check(): ${problems.map(({ message }) => message).join('; ')}`)
    const content = await readContent(store)
    // The opening may yet be cut short by the end of this machine; then the next one tells.
    if (this.#medium.gate.isStopped) return
    const survived = longestPrefix(record.operations, content, this.#required)
    this.#operations += record.operations.length - this.#required
    this.#survived += survived - this.#required
    record.operations.length = survived
    record.acknowledgedCount = survived
    record.flushedCount = survived
    this.#required = survived
  }

  #crash(options: FaultMediumOptions): void {
    const how = this.#random.chance(0.75) ? 'power' : 'kill'
    const { acknowledgedCount, flushedCount } = this.#record
    this.#required = how === 'kill' ? acknowledgedCount : flushedCount
    // What a power cut took, a kill does not bring back.
    this.#record.acknowledgedCount = this.#required
    this.#medium = this.#medium.crash(how, options)
  }

  #mediumOptions(): FaultMediumOptions {
    const random = this.#random.fork()
    return { decide: stopAt(random), jitter: random.fork(), seed: random.below(2 ** 32) }
  }
}

/** Stops the machine at one call: often during opening, which takes some thirty of them. */
function stopAt(random: WorkloadRandom): DecideFate {
  const number = random.chance(0.4) ? random.between(1, 40) : random.between(20, 500)
  const fate = random.pick(STOPS)
  return (call) => (call.number === number ? fate : 'works')
}
