/**
 * Does what is due. All that happens later is an alarm in the store; one timer waits for the earliest. What is due is
 * taken in order, in bounded pages; one commit holds what the alarms of a page bring about and clears these alarms, so
 * each happens exactly once, whatever fails or crashes in between.
 */
import type { Clock, Timer } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { Change } from '../store/change.ts'
import type { Alarm, AlarmKind } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'

/** What an alarm brings about. */
export interface AlarmPlan {
  /** Messages to append in the commit that clears the alarm. */
  readonly appends?: Change['appends']
  /** Alarms to set in the same commit. */
  readonly alarmsSet?: Change['alarmsSet']
  /** Called when the commit is done. */
  readonly announce?: () => void
}

/** Plans what an alarm of its kind brings about. It may run again for the same alarm when a commit fails. */
export type AlarmHandler = (alarm: Alarm) => Promise<AlarmPlan>

/** Most alarms of one commit. */
const PAGE_COUNT = 256
/** Alarms that are planned at the same time. */
const PLAN_COUNT = 32
/** Bytes of messages after which a commit is closed although more is due. */
const PAGE_BYTES = 1024 * 1024
/** The longest sleep: how late it may be noticed that the clock was set forward. */
const LONGEST_SLEEP_MS = 60_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000

export class Timekeeper {
  readonly #store: Store
  readonly #clock: Clock
  readonly #announcer: Announcer
  readonly #handlers = new Map<AlarmKind, AlarmHandler>()

  #timer: Timer | undefined
  /** The due time that the timer waits for. */
  #timerDue: number | undefined
  #round: Promise<void> | undefined
  #closed = false
  /** After a failure: how long to wait before the next try. */
  #pauseMs = 0
  /** Monotonic time before which nothing is tried. */
  #pausedUntilMs = 0

  constructor(store: Store, clock: Clock, announcer: Announcer) {
    this.#store = store
    this.#clock = clock
    this.#announcer = announcer
  }

  /** Names the handler of a kind of alarm; before `start`. */
  register(kind: AlarmKind, handler: AlarmHandler): void {
    this.#handlers.set(kind, handler)
  }

  start(): void {
    this.#store.alarms.onChanged = () => this.#setTimer()
    this.#setTimer()
  }

  /** Whether something due is being done right now. */
  get busy(): boolean {
    return this.#round !== undefined
  }

  /** Starts nothing more; resolves when the commit under way, if any, has ended. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#round
  }

  #setTimer(): void {
    const due = this.#store.alarms.nextDueTimestamp()
    if (this.#closed || this.busy || due === this.#timerDue) return
    this.#timer?.cancel()
    this.#timerDue = due
    if (due === undefined) return
    const sleepMs = Math.min(due - this.#clock.now(), LONGEST_SLEEP_MS)
    const pauseMs = this.#pausedUntilMs - this.#clock.monotonicMs()
    this.#timer = this.#clock.setTimer(Math.max(0, sleepMs, pauseMs), () => this.#wake())
  }

  #wake(): void {
    this.#timerDue = undefined
    this.#round = this.#doDue()
      .then(() => this.#succeed())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#round = undefined
        this.#setTimer()
      })
  }

  async #doDue(): Promise<void> {
    while (!this.#closed) {
      const due = this.#store.alarms.due(this.#clock.now(), PAGE_COUNT)
      if (due.length === 0) return
      await this.#doPage(due)
      // Whoever sends or receives gets a turn between two pages.
      await new Promise<void>((resolve) => this.#clock.defer(resolve))
    }
  }

  async #doPage(due: readonly Alarm[]): Promise<void> {
    const plans: AlarmPlan[] = []
    let bytes = 0
    while (plans.length < due.length && bytes < PAGE_BYTES) {
      const next = due.slice(plans.length, plans.length + PLAN_COUNT)
      const planned = await Promise.all(next.map((alarm) => this.#plan(alarm)))
      for (const plan of planned) bytes += bytesOf(plan)
      plans.push(...planned)
    }
    await this.#store.commit({
      appends: joinAppends(plans),
      alarmsSet: plans.flatMap((plan) => plan.alarmsSet ?? []),
      alarmsCleared: due.slice(0, plans.length),
    })
    for (const plan of plans) plan.announce?.()
  }

  async #plan(alarm: Alarm): Promise<AlarmPlan> {
    const handler = this.#handlers.get(alarm.kind)
    if (handler === undefined)
      throw new MQError('UNSUPPORTED', `Nothing handles alarms of kind '${alarm.kind}'.`)
    return handler(alarm)
  }

  #succeed(): void {
    this.#pauseMs = 0
    this.#pausedUntilMs = 0
  }

  /** Nothing was cleared, so all that was due is still due, and is tried again after a pause. */
  #fail(error: unknown): void {
    if (this.#closed) return
    this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2), LONGEST_PAUSE_MS)
    this.#pausedUntilMs = this.#clock.monotonicMs() + this.#pauseMs
    this.#announcer.emit('error', MQError.from(error))
  }
}

/** Messages for one queue become one batch. */
function joinAppends(plans: readonly AlarmPlan[]): NonNullable<Change['appends']> {
  const byLog = new Map<QueueLog, OutgoingMessage[]>()
  for (const { log, messages } of plans.flatMap((plan) => plan.appends ?? [])) {
    const joined = byLog.get(log) ?? []
    joined.push(...[messages].flat())
    byLog.set(log, joined)
  }
  return [...byLog].map(([log, messages]) => ({ log, messages }))
}

function bytesOf({ appends = [] }: AlarmPlan): number {
  const messages = appends.flatMap((append) => append.messages)
  return messages.reduce((sum, message) => sum + message.sizeBytes, 0)
}
