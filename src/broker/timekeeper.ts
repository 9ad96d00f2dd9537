/**
 * Does what is due. All that happens later is an alarm in the store; one timer waits for the earliest. What is due is
 * taken in order, in bounded pages; one commit holds what the alarms of a page bring about and clears these alarms, so
 * each happens exactly once, whatever fails or crashes in between. An alarm that cannot be planned rests for itself; when
 * the store as a whole cannot go on, everything waits.
 */
import type { Clock, Timer } from '../model/clock.ts'
import { MQError, type MQErrorCode } from '../model/errors.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { Change } from '../store/change.ts'
import type { Alarm, AlarmKind } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { AlarmClaims } from './alarm-claims.ts'
import type { Announcer } from './announcer.ts'
import { longerPauseMs, Rests } from './rests.ts'

/** What an alarm brings about. */
export interface AlarmPlan {
  /** Messages to append in the commit that clears the alarm. */
  readonly appends?: Change['appends']
  /** Alarms to set in the same commit. */
  readonly alarmsSet?: Change['alarmsSet']
  readonly alarmsPut?: Change['alarmsPut']
  readonly parked?: Change['parked']
  /** Called when the commit is done. */
  readonly announce?: () => void
}

/** Plans what an alarm of its kind brings about. It may run again for the same alarm when a commit fails. */
export type AlarmHandler = (alarm: Alarm) => Promise<AlarmPlan>

/** Most alarms of one commit. */
const PAGE_COUNT = 256
/** Alarms that are planned at the same time, until it is known how large their messages are. */
const PLAN_COUNT = 32
/** Bytes of messages after which a commit is closed although more is due. */
const PAGE_BYTES = 1024 * 1024
/** The longest sleep where clocks do not tell of jumps: how late it may be noticed that one was set forward. */
const LONGEST_SLEEP_MS = 60_000
/** What says of the whole store, not of one alarm, that nothing can be done now. */
const STORE_WIDE: ReadonlySet<MQErrorCode> = new Set<MQErrorCode>([
  'SERVICE_NOT_AVAILABLE',
  'WRITE_FAILED',
  'DISK_FULL',
  'STORE_FAILED',
  'CLOSED',
])

interface PlannedAlarm {
  readonly alarm: Alarm
  readonly plan: AlarmPlan
}

export class Timekeeper {
  readonly #store: Store
  readonly #clock: Clock
  readonly #announcer: Announcer
  readonly #claims: AlarmClaims
  readonly #handlers = new Map<AlarmKind, AlarmHandler>()

  readonly #rests: Rests
  #unwatchClock: (() => void) | undefined
  #timer: Timer | undefined
  /** The due time that the timer waits for. */
  #timerDue: number | undefined
  #round: Promise<void> | undefined
  /** The commit of a page, well or not. */
  #committing: Promise<unknown> | undefined
  #closed = false
  /** After a failure: how long to wait before the next try. */
  #pauseMs = 0
  /** Monotonic time before which nothing is tried. */
  #pausedUntilMs = 0

  constructor(store: Store, clock: Clock, announcer: Announcer, claims: AlarmClaims) {
    this.#store = store
    this.#clock = clock
    this.#announcer = announcer
    this.#claims = claims
    this.#rests = new Rests(clock)
  }

  /** Names the handler of a kind of alarm; before `start`. */
  register(kind: AlarmKind, handler: AlarmHandler): void {
    this.#handlers.set(kind, handler)
  }

  start(): void {
    this.#store.alarms.onChanged = () => this.#setTimer()
    this.#unwatchClock = this.#clock.onJump?.(() => this.#onJump())
    this.#setTimer()
  }

  /** Whether something due is being done right now. */
  get busy(): boolean {
    return this.#round !== undefined
  }

  /** Does what is due, without waiting for its timer; resolves when that is done, or has failed and is tried again later. */
  async doDue(): Promise<void> {
    // That one may have looked before the alarm was set which the caller has in mind.
    await this.#round
    const isPaused = this.#pausedUntilMs > this.#clock.monotonicMs()
    if (!this.busy && !this.#closed && !isPaused && this.#due().length > 0) {
      this.#timer?.cancel()
      this.#wake()
    }
    await this.#round
  }

  /**
   * Starts nothing more; resolves when the commit under way, if any, has ended. What is only being read for one is left: where the
   * databases cannot be read, that would wait until they can, which may be never.
   */
  async close(): Promise<void> {
    this.#closed = true
    this.#unwatchClock?.()
    this.#timer?.cancel()
    await this.#committing
  }

  #setTimer(): void {
    if (this.#closed || this.busy) return
    const due = this.#nextDueTimestamp()
    if (due === this.#timerDue) return
    this.#timer?.cancel()
    this.#timerDue = due
    if (due === undefined) return
    const longestMs = this.#unwatchClock === undefined ? LONGEST_SLEEP_MS : Number.POSITIVE_INFINITY
    const sleepMs = Math.min(due - this.#clock.now(), longestMs)
    const pauseMs = this.#pausedUntilMs - this.#clock.monotonicMs()
    this.#timer = this.#clock.setTimer(Math.max(0, sleepMs, pauseMs), () => this.#wake())
  }

  #onJump(): void {
    this.#timerDue = undefined
    this.#setTimer()
  }

  /** When the first alarm is due that does not rest, or the first rest ends. */
  #nextDueTimestamp(): number | undefined {
    const { alarms } = this.#store
    this.#rests.keepOnly((id) => alarms.has(id))
    if (this.#rests.size === 0) return alarms.nextDueTimestamp()
    const first = alarms.due(Number.POSITIVE_INFINITY, this.#rests.size + 1)
    const next = first.find(({ id }) => !this.#rests.has(id))?.dueTimestamp ?? Number.POSITIVE_INFINITY
    return Math.min(next, this.#clock.now() + this.#rests.nextEndInMs())
  }

  #wake(): void {
    this.#timerDue = undefined
    this.#round = this.#doPages()
      .then(() => this.#succeed())
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#round = undefined
        this.#setTimer()
      })
  }

  async #doPages(): Promise<void> {
    while (!this.#closed) {
      const due = this.#due()
      if (due.length === 0) return
      await this.#doPage(due)
      // Whoever sends or receives gets a turn between two pages.
      await new Promise<void>((resolve) => this.#clock.defer(resolve))
    }
  }

  /** A page of what is due and does not rest. */
  #due(): readonly Alarm[] {
    const due = this.#store.alarms.due(this.#clock.now(), PAGE_COUNT + this.#rests.size)
    return due.filter(({ id }) => !this.#rests.has(id)).slice(0, PAGE_COUNT)
  }

  async #doPage(due: readonly Alarm[]): Promise<void> {
    const plans = await this.#planPage(due)
    if (this.#closed) return
    const planned = plans.filter((each) => this.#isWanted(each))
    if (planned.length === 0) return
    try {
      const committing = this.#commit(planned)
      this.#committing = committing.catch(() => undefined)
      await committing
    } finally {
      for (const { alarm } of planned) this.#claims.release(alarm.id)
    }
    for (const { alarm, plan } of planned) {
      this.#rests.delete(alarm.id)
      plan.announce?.()
    }
  }

  async #commit(planned: readonly PlannedAlarm[]): Promise<void> {
    const plans = planned.map(({ plan }) => plan)
    await this.#store.commit({
      appends: joinAppends(plans),
      alarmsSet: plans.flatMap((plan) => plan.alarmsSet ?? []),
      alarmsPut: plans.flatMap((plan) => plan.alarmsPut ?? []),
      parked: plans.flatMap((plan) => plan.parked ?? []),
      alarmsCleared: planned.map(({ alarm }) => alarm),
    })
  }

  async #planPage(due: readonly Alarm[]): Promise<PlannedAlarm[]> {
    const planned: PlannedAlarm[] = []
    let bytes = 0
    for (let from = 0; from < due.length && bytes < PAGE_BYTES; ) {
      const next = due.slice(from, from + nextPlanCount(from, bytes))
      from += next.length
      for (const each of await Promise.all(next.map((alarm) => this.#tryPlan(alarm)))) {
        if (each === undefined) continue
        bytes += bytesOf(each.plan)
        planned.push(each)
      }
    }
    return planned
  }

  /**
   * While it was planned, its topic or group may have been deleted, or somebody else decides about it: while that is under way, it
   * rests. Else it is claimed.
   */
  #isWanted({ alarm, plan }: PlannedAlarm): boolean {
    const { alarms, catalog } = this.#store
    if (!alarms.has(alarm.id)) return false
    const logs = [catalog.log(alarm.queueUid), ...(plan.appends ?? []).map(({ log }) => log)]
    if (!logs.some((log) => log?.isClosed) && this.#claims.claim(alarm.id)) return true
    this.#rests.begin(alarm.id)
    return false
  }

  /** The plan, or `undefined` when it failed: then the alarm rests, and the others go on. */
  async #tryPlan(alarm: Alarm): Promise<PlannedAlarm | undefined> {
    try {
      return { alarm, plan: await this.#plan(alarm) }
    } catch (caught) {
      const error = MQError.from(caught)
      if (STORE_WIDE.has(error.code)) throw error
      this.#rests.begin(alarm.id)
      this.#report(error)
      return undefined
    }
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
    this.#pauseMs = longerPauseMs(this.#pauseMs)
    this.#pausedUntilMs = this.#clock.monotonicMs() + this.#pauseMs
    this.#report(MQError.from(error))
  }

  #report(error: MQError): void {
    if (!this.#closed) this.#announcer.emit('error', error)
  }
}

/** As many more as will fill the page, if they are like those before: each set of them waits once for the disk. */
function nextPlanCount(plannedCount: number, plannedBytes: number): number {
  if (plannedBytes === 0) return PLAN_COUNT
  const likelyCount = Math.floor(((PAGE_BYTES - plannedBytes) * plannedCount) / plannedBytes)
  return Math.max(PLAN_COUNT, likelyCount)
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
