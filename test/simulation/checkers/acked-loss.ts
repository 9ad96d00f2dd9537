/**
 * 1. No acknowledged loss: what a send was told to be stored is stored until a rule removes it, and in the end every
 * group that wants it has consumed it or has it among its dead letters.
 *
 * Allowed: what a power cut takes in ASYNC_FLUSH, and in SYNC_FLUSH what was answered with FLUSH_DISK_TIMEOUT
 * (docs/recovery.md); what shape that has is the affair of the power-cut checker. What a reset went past need not be
 * consumed, and what a reset asked for again has to be consumed again.
 */
import { deadLetterTopicOf } from '../../../src/model/topic.ts'
import { nameOf, type Scan, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import type { LifeRecord } from '../model/life-book.ts'
import type { GroupProfile } from '../model/profile.ts'
import type { QueueModel, Slot } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class AckedLoss implements Checker {
  readonly #host: CheckerHost
  /** When the call that consumed it last began, by group and number. */
  readonly #consumed = new Map<string, number>()
  readonly #calls = new Map<number, number>()
  #isDrained = false

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { elapsedMs }: Stamp): void {
    switch (event.type) {
      case 'calling':
        this.#calls.set(event.call.id, elapsedMs)
        return
      case 'answered':
        this.#noteConsumed(event)
        return
      case 'drained':
        this.#isDrained = true
        return
      case 'scanned':
        this.#checkStored()
        if (this.#isDrained) this.#checkConsumed(event.scan)
    }
  }

  #noteConsumed({ call, succeededCount }: SimEventOf<'answered'>): void {
    const startedMs = this.#calls.get(call.id) ?? 0
    for (const { number } of call.copies.slice(0, succeededCount)) {
      const key = `${call.group}@${number}`
      this.#consumed.set(key, Math.max(startedMs, this.#consumed.get(key) ?? 0))
    }
  }

  #checkStored(): void {
    const { comparison, sends } = this.#host.model
    for (const { queue, slot } of comparison?.gone ?? []) {
      const send = sends.of(slot.number)
      if (send?.receipt === undefined || slot.reconsumeTimes > 0) continue
      if (this.#mayBeCut(send.life, send.receipt.status, comparison?.cutLife)) continue
      this.#host.violate(
        1,
        `acknowledged message ${slot.number} at ${nameOf(queue.name)}:${slot.offset} is gone`,
      )
    }
  }

  #mayBeCut(life: number, status: string, cutLife: LifeRecord | undefined): boolean {
    if (life !== cutLife?.life) return false
    return this.#host.profile.flushDiskType === 'ASYNC_FLUSH' || status === 'FLUSH_DISK_TIMEOUT'
  }

  #checkConsumed(scan: Scan): void {
    for (const group of this.#host.profile.groups) {
      const dead = deadNumbers(scan, group)
      for (const queue of this.#host.model.queues.living) {
        if (!group.subscriptions.has(queue.name.topic)) continue
        for (const slot of queue.slots.values()) this.#checkSlot(group, queue, slot, dead)
      }
    }
  }

  #checkSlot(group: GroupProfile, queue: QueueModel, slot: Slot, dead: ReadonlySet<number>): void {
    const { model } = this.#host
    const { number, offset } = slot
    const message = model.message(number)
    if (offset < queue.minOffset || message === undefined || dead.has(number)) return
    if (!model.wants(group.name, message.topic, message.tag)) return
    const { skippedBelow = 0, againSinceMs = 0 } = model.offsets.get(group.name, queue.name) ?? {}
    if (offset < skippedBelow) return
    const consumedMs = this.#consumed.get(`${group.name}@${number}`)
    if (consumedMs !== undefined && consumedMs >= againSinceMs) return
    const place = `${nameOf(queue.name)}:${offset}`
    const again = consumedMs === undefined ? '' : ' again after the reset'
    this.#host.violate(1, `${group.name} has not consumed message ${number} at ${place}${again}`)
  }
}

function deadNumbers(scan: Scan, { name }: GroupProfile): ReadonlySet<number> {
  const topic = deadLetterTopicOf(name)
  const queues = scan.queues.filter(({ queue }) => queue.topic === topic)
  return new Set(queues.flatMap(({ copies }) => copies.map(({ number }) => number)))
}
