/** How the disk of a test instance misbehaves: the sum of the faults that are on. It outlives crashes, as a disk does. */
import { type DiskFaults, FREE_BYTES } from '../disk/memory-disk.ts'
import type { RuledFault } from './rule.ts'

interface SlowDisk {
  readonly fault: RuledFault
  readonly delayMs: number
}

interface FullDisk {
  readonly fault: RuledFault
  readonly refuseWrites: boolean
}

export class FaultyDisk {
  /** What the disks of this session look at. */
  readonly faults: DiskFaults = {
    delayMs: 0,
    freeBytes: FREE_BYTES,
    isFull: false,
    onHit: (what) => {
      if (what === 'full') this.noteRefused()
      else for (const { fault } of this.#slow) fault.hit()
    },
  }
  #slow: readonly SlowDisk[] = []
  #full: readonly FullDisk[] = []

  addSlow(slow: SlowDisk): void {
    this.#slow = [...this.#slow, slow]
    this.update()
  }

  addFull(full: FullDisk): boolean {
    this.#full = [...this.#full, full]
    return this.update()
  }

  /** Something was refused for want of room. */
  noteRefused(): void {
    for (const { fault } of this.#full) fault.hit()
  }

  /** Faults came or went; answers whether that changed how much is free. */
  update(): boolean {
    const { freeBytes } = this.faults
    this.#slow = this.#slow.filter(({ fault }) => !fault.isRemoved)
    this.#full = this.#full.filter(({ fault }) => !fault.isRemoved)
    this.faults.delayMs = this.#slow.reduce((sum, { delayMs }) => sum + delayMs, 0)
    this.faults.freeBytes = this.#full.length === 0 ? FREE_BYTES : 0
    this.faults.isFull = this.#full.some(({ refuseWrites }) => refuseWrites)
    return this.faults.freeBytes !== freeBytes
  }
}
