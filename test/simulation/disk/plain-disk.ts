/** The disk that `pocketmq/testing` gives to applications: a power cut leaves exactly what was flushed. */
import type { Clock } from '../../../src/model/clock.ts'
import type { Medium } from '../../../src/store/medium.ts'
import { MemoryDisk } from '../../../src/testing/disk/memory-disk.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import { Countdown, type DiskFaults, type SimulatedDisk } from './simulated-disk.ts'

export class PlainDisk implements SimulatedDisk {
  readonly faults: DiskFaults
  onStop: () => void = () => undefined
  readonly #random: WorkloadRandom
  readonly #disk: MemoryDisk
  readonly #countdown = new Countdown()
  /** What it left when it stopped. */
  #left: MemoryDisk | undefined

  constructor(clock: Clock, random: WorkloadRandom, disk = new MemoryDisk(clock)) {
    this.#random = random
    this.#disk = disk
    this.faults = Object.assign(disk.faults, { fails: () => false })
    disk.onWrite = () => this.#onWrite()
  }

  get medium(): Medium {
    return this.#disk
  }

  get isStopped(): boolean {
    return this.#left !== undefined
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
    if (this.isStopped) return
    this.#countdown.how = how
    this.#left = this.#disk.copy(how)
    this.#disk.stop()
    this.onStop()
  }

  next(clock: Clock): PlainDisk {
    const left = this.#left ?? this.#disk.copy(this.stoppedHow)
    return new PlainDisk(clock, this.#random, left.copy('kill', clock))
  }

  #onWrite(): void {
    if (this.isStopped) throw new Error('the machine stands still')
    if (this.#countdown.isOver()) {
      this.stop(this.#countdown.how)
      throw new Error('the machine stops')
    }
    if (this.faults.fails('write')) throw new Error('the disk refuses a write')
  }
}
