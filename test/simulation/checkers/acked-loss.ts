/**
 * 1. No acknowledged loss: what a send was told to be stored is stored until a rule removes it, and in the end every
 * group that wants it, and each member of a broadcasting one, has consumed it or has it among its dead letters. What a
 * listener succeeded with is consumed, what was acknowledged, what a poll handed out, and what a broadcasting member gave
 * up and told of.
 *
 * Allowed: what a power cut takes in ASYNC_FLUSH, and in SYNC_FLUSH what was answered with FLUSH_DISK_TIMEOUT
 * (docs/recovery.md); what shape that has is the affair of the power-cut checker. What a reset went past need not be
 * consumed, and what a reset asked for again has to be consumed again.
 */
import { deadLetterTopicOf } from '../../../src/model/topic.ts'
import type { SettleCall } from '../consumer-events.ts'
import {
  type Copy,
  nameOf,
  ownerOf,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { type GroupProfile, membersOf } from '../model/group-profile.ts'
import type { LifeRecord } from '../model/life-book.ts'
import type { QueueModel, Slot } from '../model/queues.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class AckedLoss implements Checker {
  readonly #host: CheckerHost
  /** When the delivery that was consumed last began, by owner and number. */
  readonly #consumed = new Map<string, number>()
  readonly #calls = new Map<number, number>()
  /** When deliveries of simple consumers began, by handle. */
  readonly #popped = new Map<string, number>()
  /** Acknowledgements under way. */
  readonly #acking = new Map<number, SettleCall>()
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
        this.#noteAnswered(event)
        return
      case 'handed':
        this.#noteHanded(event, elapsedMs)
        return
      case 'dropped':
        this.#noteDropped(event, elapsedMs)
        return
      case 'popped':
        for (const { handle } of event.popped) this.#popped.set(handle, elapsedMs)
        return
      case 'settling':
        if (event.settle.how === 'ack') this.#acking.set(event.settle.id, event.settle)
        return
      case 'settled':
        this.#noteSettled(event)
        return
      case 'settle-failed':
        if (event.refusal.outcome === 'not-attempted') this.#acking.delete(event.settle.id)
        else this.#noteAcked(event.settle)
        return
      case 'opened':
        // Whoever asked was never told; it may have been done.
        for (const settle of this.#acking.values()) this.#noteAcked(settle)
        return
      case 'drained':
        this.#isDrained = true
        return
      case 'scanned':
        this.#checkStored()
        if (this.#isDrained) this.#checkConsumed(event.scan)
    }
  }

  #noteAnswered({ call, succeededCount }: SimEventOf<'answered'>): void {
    const owner = this.#host.model.ownerOf(call)
    this.#note(owner, call.copies.slice(0, succeededCount), this.#calls.get(call.id) ?? 0)
  }

  #noteHanded(handed: SimEventOf<'handed'>, nowMs: number): void {
    const { model } = this.#host
    if (model.groups.get(handed.group)?.kind === 'lite')
      this.#note(model.ownerOf(handed), handed.copies, nowMs)
  }

  #noteDropped({ group, member, queue, offset }: SimEventOf<'dropped'>, nowMs: number): void {
    const slot = this.#host.model.queues.current(queue)?.slots.get(offset)
    if (slot !== undefined) this.#note(ownerOf({ group, member }), [slot], nowMs)
  }

  #noteSettled({ settle, refused }: SimEventOf<'settled'>): void {
    if (settle.how !== 'ack') return
    this.#noteAcked({ ...settle, handles: settle.handles.filter((handle) => !refused.includes(handle)) })
  }

  #noteAcked({ id, group, handles }: SettleCall): void {
    this.#acking.delete(id)
    for (const handle of handles) {
      const delivery = this.#host.model.deliveries.byHandle(handle)
      // A handle that a change gave stands for the same delivery.
      const startedMs = this.#popped.get(handle) ?? this.#popped.get(delivery?.firstHandle ?? '') ?? 0
      if (delivery !== undefined) this.#note(group, [delivery], startedMs)
    }
  }

  #note(owner: string, messages: readonly Pick<Copy, 'number'>[], startedMs: number): void {
    for (const { number } of messages) {
      const key = `${owner}@${number}`
      this.#consumed.set(key, Math.max(startedMs, this.#consumed.get(key) ?? 0))
    }
  }

  #checkStored(): void {
    const { comparison, sends } = this.#host.model
    for (const { queue, slot } of comparison?.gone ?? []) {
      const send = sends.of(slot.number)
      if (send?.receipt === undefined || slot.reconsumeTimes > 0) continue
      // A delivery that a power cut took: whether it waits again is for the checker of delays.
      if (send.receipt.wait !== undefined && comparison?.cutLife !== undefined) continue
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
        for (const member of membersOf(group))
          for (const slot of queue.slots.values()) this.#checkSlot(group, member, queue, slot, dead)
      }
    }
  }

  #checkSlot(
    group: GroupProfile,
    member: string | undefined,
    queue: QueueModel,
    slot: Slot,
    dead: ReadonlySet<number>,
  ): void {
    const { model } = this.#host
    const { number, offset } = slot
    if (offset < queue.minOffset || dead.has(number)) return
    if (!model.wantsSlot(group.name, queue, slot)) return
    const { skippedBelow = 0, againSinceMs = 0 } = model.offsets.get(group.name, queue.name, member) ?? {}
    if (offset < skippedBelow) return
    const owner = ownerOf({ group: group.name, member })
    const consumedMs = this.#consumed.get(`${owner}@${number}`)
    if (consumedMs !== undefined && consumedMs >= againSinceMs) return
    const place = `${nameOf(queue.name)}:${offset}`
    const again = consumedMs === undefined ? '' : ' again after the reset'
    this.#host.violate(1, `${owner} has not consumed message ${number} at ${place}${again}`)
  }
}

function deadNumbers(scan: Scan, { name }: GroupProfile): ReadonlySet<number> {
  const topic = deadLetterTopicOf(name)
  const queues = scan.queues.filter(({ queue }) => queue.topic === topic)
  return new Set(queues.flatMap(({ copies }) => copies.map(({ number }) => number)))
}
