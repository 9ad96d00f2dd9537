/** A disk as mean as POSIX allows: what nobody flushed survives a power cut in part, in any order and with holes. */
import type { Clock } from '../../../src/model/clock.ts'
import type { Medium } from '../../../src/store/medium.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import { FaultMedium } from '../../helpers/fault-medium.ts'
import type { Fate } from '../../store/faults/call-gate.ts'
import type { MeanFiles } from '../../store/faults/mean-files.ts'
import { Countdown, noFaults, type SimulatedDisk } from './simulated-disk.ts'

const FREE_BYTES = 2 ** 40

export class MeanDisk implements SimulatedDisk {
  readonly faults = noFaults()
  onStop: () => void = () => undefined
  readonly #random: WorkloadRandom
  readonly #clock: Clock
  readonly #countdown = new Countdown()
  readonly #medium: FaultMedium

  constructor(clock: Clock, random: WorkloadRandom, before?: MeanDisk) {
    this.#clock = clock
    this.#random = random
    const options = {
      seed: random.below(2 ** 31),
      decide: ({ kind }: { kind: string }) => this.#fateOf(kind),
      pause: () => this.#pause(),
    }
    this.#medium =
      before === undefined ? new FaultMedium(options) : before.#medium.crash(before.stoppedHow, options)
    void this.#medium.gate.stopped.then(() => this.onStop())
  }

  get medium(): Medium {
    return this.#medium
  }

  get isStopped(): boolean {
    return this.#medium.gate.isStopped
  }

  get stoppedHow(): 'kill' | 'power' {
    return this.#countdown.how
  }

  stopAt(calls: number, how: 'kill' | 'power'): void {
    this.#countdown.set(calls, how)
  }

  cancelStop(): void {
    this.#countdown.cancel()
  }

  stop(how: 'kill' | 'power'): void {
    this.#countdown.how = how
    this.#medium.gate.stop()
  }

  next(clock: Clock): MeanDisk {
    return new MeanDisk(clock, this.#random, this)
  }

  #fateOf(kind: string): Fate {
    if (this.#countdown.isOver()) return this.#random.pick(['stops-before', 'stops-within', 'stops-after'])
    if (kind === 'files.freeBytes')
      (this.#medium.files as MeanFiles).freeDiskBytes = this.faults.isFull ? 0 : FREE_BYTES
    if (this.faults.fails(kind)) return this.#random.pick(['fails-before', 'fails-after'])
    return 'works'
  }

  #pause(): Promise<void> | undefined {
    const { delayMs } = this.faults
    if (delayMs === 0) return undefined
    return new Promise((resolve) => this.#clock.setTimer(this.#random.between(1, delayMs), resolve))
  }
}
