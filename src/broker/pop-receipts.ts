/**
 * Settles deliveries: acknowledged, or invisible for another time. What is asked for in one turn becomes one commit, and one
 * commit is under way at a time; so of two that settle the same message one is first, and a commit that fails leaves every
 * message as it was.
 *
 * The alarms in the store are all there is to know about what is invisible. Kept besides are only the handles that became
 * void in this life, as long as their time would have lasted: an acknowledgement with such a handle must not look like one
 * that came twice.
 */
import type { Clock } from '../model/clock.ts'
import type { DelayLevels } from '../model/delay-levels.ts'
import type { PopReceipt, RefusedReceipt } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { retryDelayMs } from '../model/retry-policy.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import { hasBit, offsetsOf } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import { givenBack, NackReasons, NOT_ACKNOWLEDGED } from './nack-reasons.ts'
import { bitOf, bitsOf, PopSettlement } from './pop-settlement.ts'
import {
  invalidReceipt,
  parseReceiptHandle,
  type Receipt,
  receiptHandle,
  receiptPrefix,
} from './receipt-handle.ts'
import { VoidReceipts } from './void-receipts.ts'

export interface PopReceiptsParts {
  readonly store: Store
  readonly clock: Clock
  readonly delayLevels: DelayLevels
  isResetting(group: GroupEntry, log: QueueLog): boolean
  /** Deliveries of a FIFO queue were settled. */
  onSettled(group: GroupEntry, log: QueueLog): void
}

export class PopReceipts {
  readonly #parts: PopReceiptsParts
  readonly #void: VoidReceipts
  readonly #reasons: NackReasons
  /** Handles with smaller numbers are from an earlier life. */
  readonly #firstId: number
  #open: PopSettlement | undefined
  #underWay: PopSettlement | undefined

  constructor(parts: PopReceiptsParts) {
    this.#parts = parts
    this.#void = new VoidReceipts(parts.clock)
    this.#reasons = new NackReasons((id) => parts.store.alarms.has(id))
    this.#firstId = parts.store.alarms.nextId
  }

  /** Acknowledges each for itself; answers those that were refused. */
  async ack(group: GroupEntry, handles: readonly string[]): Promise<readonly RefusedReceipt[]> {
    const refused: RefusedReceipt[] = []
    const settlements = new Set<PopSettlement>()
    const now = this.#parts.clock.now()
    for (const handle of handles) {
      try {
        const settlement = this.#ackOne(group, parseReceiptHandle(handle), now)
        if (settlement !== undefined) settlements.add(settlement)
      } catch (caught) {
        refused.push({ receiptHandle: handle, error: MQError.from(caught) })
      }
    }
    for (const { done } of settlements) await done
    return refused
  }

  /** Makes the message visible so long from now; `reason`: it was given back. */
  async change(
    group: GroupEntry,
    handle: string,
    invisibleDurationMs: number,
    reason?: string,
  ): Promise<PopReceipt> {
    const receipt = parseReceiptHandle(handle)
    const now = this.#parts.clock.now()
    const alarm = this.#claim(group, receipt, now)
    if (alarm === undefined) throw invalidReceipt('Its message is acknowledged.')
    const dueTimestamp = now + invisibleDurationMs
    const { queueOffset, attempt } = receipt
    const id = this.#parts.store.alarms.takeId()
    const changed = {
      ...alarm,
      id,
      dueTimestamp,
      queueOffset,
      attempt: alarm.kind === 'pop' ? 1 : alarm.attempt,
    }
    // Before the commit: it may be due in the same turn.
    if (reason !== undefined) this.#reasons.add(id, reason)
    await this.#join().change(alarm, receipt, changed).done
    this.#void.add(receipt)
    return {
      receiptHandle: receiptHandle(receiptPrefix(changed), queueOffset, attempt),
      nextVisibleTimestamp: dueTimestamp,
    }
  }

  /** Makes the message visible when the retry policy of the group says; after the last attempt at once, to become a dead letter. */
  async nack(group: GroupEntry, handle: string, reason?: string): Promise<PopReceipt> {
    const { attempt } = parseReceiptHandle(handle)
    const { retryMaxTimes, groupRetryPolicy } = group.config
    const delayMs =
      attempt > retryMaxTimes ? 0 : retryDelayMs(groupRetryPolicy, this.#parts.delayLevels, attempt)
    return this.change(group, handle, delayMs, givenBack(reason))
  }

  /** Why the message of this alarm failed, as far as this life knows. */
  reasonOf({ id }: Alarm): string {
    return this.#reasons.get(id) ?? NOT_ACKNOWLEDGED
  }

  /** Resolves when what is being settled now is, or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#underWay?.done, this.#open?.done])
  }

  /**
   * The time of an alarm is over: waits for what was asked for before, and then lets nothing of it be settled any more,
   * whatever the clock says later. Answers what is left of the alarm, if anything is.
   */
  async expire(alarm: Alarm): Promise<Alarm | undefined> {
    while (this.#underWay?.has(alarm.id) || this.#open?.has(alarm.id)) await this.settled()
    const left = this.#parts.store.alarms.get(alarm.id)
    if (left !== undefined) this.revoke([left])
    return left
  }

  /** These deliveries count no more. The answer takes that back, for when what made them void could not be stored. */
  revoke(alarms: readonly Alarm[]): () => void {
    const revoked = alarms.flatMap((alarm) => {
      const { id: alarmId, dueTimestamp } = alarm
      return [...offsetsOf(alarm)].map((queueOffset) => ({ alarmId, queueOffset, dueTimestamp }))
    })
    const added = revoked.filter((delivery) => !this.#void.has(delivery))
    for (const delivery of added) this.#void.add(delivery)
    return () => {
      for (const delivery of added) this.#void.delete(delivery)
    }
  }

  /** The settlement that the acknowledgement is part of; `undefined` when it was made before. */
  #ackOne(group: GroupEntry, receipt: Receipt, now: number): PopSettlement | undefined {
    if (receipt.groupUid !== group.uid) throw invalidReceipt('It is of another group.')
    const same = [this.#underWay, this.#open].find((settlement) => settlement?.isAcked(receipt))
    if (same !== undefined) return same
    const alarm = this.#claim(group, receipt, now)
    return alarm === undefined ? undefined : this.#join().ack(alarm, receipt)
  }

  /** The alarm of a delivery that can still be settled; `undefined` when it is acknowledged, and throws otherwise. */
  #claim(group: GroupEntry, receipt: Receipt, now: number): Alarm | undefined {
    const { alarms } = this.#parts.store
    if (receipt.groupUid !== group.uid) throw invalidReceipt('It is of another group.')
    if (receipt.dueTimestamp <= now)
      throw invalidReceipt('Its time is over, and the message is delivered again.')
    if (this.#parts.store.catalog.log(receipt.queueUid) === undefined)
      throw new MQError('TOPIC_NOT_EXIST', 'The topic of the message was deleted, and the message with it.')
    const settlements = [this.#underWay, this.#open]
    if (this.#void.has(receipt) || settlements.some((settlement) => settlement?.isChanged(receipt)))
      throw invalidReceipt(
        'It was given back or replaced by a newer one, its time was over, or its offset was reset.',
      )
    if (settlements.some((settlement) => settlement?.isAcked(receipt))) return undefined
    const alarm = alarms.get(receipt.alarmId)
    if (alarm !== undefined && !isOf(alarm, receipt)) throw invalidReceipt('It is of another delivery.')
    if (alarm !== undefined && hasBit(bitsOf(alarm), bitOf(alarm, receipt)))
      return this.#unlessReset(group, alarm)
    // It was acknowledged, unless that would have been in an earlier life, or no such handle was ever given.
    if (receipt.alarmId >= this.#firstId && receipt.alarmId < alarms.nextId) return undefined
    throw invalidReceipt('Its delivery is not known.')
  }

  /** A reset makes all deliveries of a FIFO queue void; the others go on. */
  #unlessReset(group: GroupEntry, alarm: Alarm): Alarm {
    const log = this.#parts.store.catalog.log(alarm.queueUid)
    const isVoid = alarm.kind === 'pop-orderly' && log !== undefined && this.#parts.isResetting(group, log)
    if (isVoid) throw invalidReceipt('The offset of its group is being reset.')
    return alarm
  }

  /** The settlement that is open. It is committed at the end of this turn, or when the one under way is done. */
  #join(): PopSettlement {
    if (this.#open !== undefined) return this.#open
    const settlement = new PopSettlement(this.#parts.store)
    this.#open = settlement
    void this.#commit(settlement, this.#underWay)
    return settlement
  }

  async #commit(settlement: PopSettlement, before: PopSettlement | undefined): Promise<void> {
    await before?.done.catch(() => undefined)
    await undefined
    this.#open = undefined
    this.#underWay = settlement
    await settlement.commit()
    if (this.#underWay === settlement) this.#underWay = undefined
    for (const [group, log] of settlement.orderlyQueues()) this.#parts.onSettled(group, log)
  }
}

/** Whether a handle was given for this alarm. */
function isOf(alarm: Alarm, receipt: Receipt): boolean {
  return (
    alarm.groupUid === receipt.groupUid &&
    alarm.queueUid === receipt.queueUid &&
    alarm.dueTimestamp === receipt.dueTimestamp &&
    bitOf(alarm, receipt) !== 0
  )
}
