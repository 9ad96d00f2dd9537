/** Where a run takes place: one clock, one disk after the other, and the lives of an instance that come and go. */
import { MQError } from '../../../src/model/errors.ts'
import { realTime } from '../../../src/model/system-clock.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { WorkloadRandom } from '../../crash/workload-random.ts'
import { MeanDisk } from '../disk/mean-disk.ts'
import { PlainDisk } from '../disk/plain-disk.ts'
import { noFaults, type SimulatedDisk } from '../disk/simulated-disk.ts'
import type { Scan, SimEvent } from '../events.ts'
import { History } from '../history.ts'
import type { Profile } from '../model/profile.ts'
import { Life, type LifeHost } from './life.ts'
import { type Look, lookAt } from './look.ts'
import { refusalOf } from './refusal.ts'
import type { VerbTroubles } from './verb-faults.ts'

const START_TIMESTAMP = Date.UTC(2027, 0, 1)
/** Turns without time moving after which something must be wrong. */
const RUNAWAY_TURNS = 20_000
/** Turns of the event loop that work may take for which no time has to pass. */
const MOST_TURNS = 1000
/** Events without time moving after which something must be wrong: those that follow each other in one turn. */
const MOST_EVENTS = 20_000
/** Turns after which an instance that was cut off has come to rest. */
const LAST_TURNS = 10
/** Crashes of one opening. */
const MOST_OPENINGS = 20
/** Attempts to look at everything while nothing happens. */
const MOST_LOOKS = 3
/** Virtual time that opening or closing may take, also on a slow disk. */
const LONGEST_OPENING_MS = 1_800_000

/** Nothing sensible can follow. */
export class RunEnded extends Error {}

export class World {
  readonly profile: Profile
  readonly clock: VirtualClock
  /** Decides what is done; other sources decide how the disk and the engine behave. */
  readonly random: WorkloadRandom
  /** Decides what only members do that are no concurrent push consumers: so it changes nothing where there are none. */
  readonly consumerRandom: WorkloadRandom
  /** Decides about messages that come later, and sends that are repeated. */
  readonly delayRandom: WorkloadRandom
  /** Decides about transactions. */
  readonly transactionRandom: WorkloadRandom
  /** Decides about requests and replies. */
  readonly requestRandom: WorkloadRandom
  readonly history: History
  readonly verbTroubles: VerbTroubles = { fails: 0, losesAnswer: 0, answersLate: 0 }
  /** The next opening is interrupted at this call. */
  interruption: { readonly calls: number; readonly how: 'kill' | 'power' } | undefined
  /** Troubles are over: nothing fails or stops any more. */
  isHealed = false
  readonly #lookRandom: WorkloadRandom
  readonly #host: LifeHost
  readonly #diskRandom: WorkloadRandom
  #disk: SimulatedDisk | undefined
  #life: Life | undefined
  #idCount = 0
  /** The latest that the wall clock showed before it was set. */
  #latestTimestamp = 0
  #flushCount = 0
  #isRunaway = false

  constructor(profile: Profile) {
    this.profile = profile
    this.clock = new VirtualClock({
      startTimestamp: START_TIMESTAMP,
      patienceMs: 0,
      runawayLimit: RUNAWAY_TURNS,
    })
    this.random = new WorkloadRandom(profile.seed)
    this.consumerRandom = new WorkloadRandom(profile.seed * 2 + 2_000_003)
    this.delayRandom = new WorkloadRandom(profile.seed * 2 + 4_000_003)
    this.transactionRandom = new WorkloadRandom(profile.seed * 2 + 5_000_003)
    this.requestRandom = new WorkloadRandom(profile.seed * 2 + 7_000_003)
    this.#diskRandom = this.random.fork()
    this.#lookRandom = this.random.fork()
    this.history = new History(profile, () => ({
      elapsedMs: this.clock.monotonicMs(),
      wallMs: this.clock.now(),
    }))
    this.#host = {
      profile,
      random: this.random.fork(),
      verbTroubles: this.verbTroubles,
      tell: this.tell,
      nextId: () => this.nextId(),
      sendOf: (number) => this.history.model.sends.of(number)?.call,
      nextFlush: () => ++this.#flushCount,
    }
  }

  /** The life that runs; check `isOver` before using it. */
  get life(): Life {
    return this.#life!
  }

  nextId(): number {
    this.#idCount += 1
    return this.#idCount
  }

  readonly tell = (event: SimEvent): void => {
    this.history.add(event)
    if (this.history.eventsAtInstant > MOST_EVENTS) this.#endRunaway()
  }

  /** Opens what the last life left; goes on until it is open, whatever interrupts it. */
  async open(): Promise<void> {
    for (let opening = 1; opening <= MOST_OPENINGS; opening++) {
      this.history.life += 1
      const life = this.#nextLife()
      if (await this.#tryOpen(life)) {
        this.#life = life
        this.tell({ type: 'opened', life: this.history.life })
        const isSeen = await this.look('opening')
        if (!life.isOver && isSeen) return
        if (!life.isOver) this.#giveUp('the first look at what was opened')
      }
      life.end()
    }
    throw new RunEnded('The store does not open.')
  }

  /** The machine stops now. */
  stop(how: 'kill' | 'power'): void {
    if (!this.life.disk.isStopped) this.life.disk.stop(how)
  }

  /** If the machine has stopped, starts it again. Answers whether it had. */
  async restartIfStopped(): Promise<boolean> {
    if (this.#isRunaway) throw new RunEnded('Things keep happening without time moving.')
    if (!this.life.isOver) return false
    await this.clock.rest()
    this.life.end()
    await this.open()
    return true
  }

  /** Closes the instance. Answers whether it came to its end; if not, the machine stopped meanwhile. */
  async close(): Promise<boolean> {
    const { life } = this
    const startedMs = this.clock.monotonicMs()
    life.tell({ type: 'closing' })
    const closing = life.mq.close().then(
      ({ drained }) => life.tell({ type: 'closed', drained, tookMs: this.clock.monotonicMs() - startedMs }),
      (error: unknown) => {
        const refusal = refusalOf(error)
        life.tell({ type: 'closed', drained: false, tookMs: this.clock.monotonicMs() - startedMs, refusal })
      },
    )
    if (!(await this.#settles(closing, () => life.isOver))) {
      if (life.isOver) return false
      this.#giveUp('close() of the instance')
    }
    return !life.isOver
  }

  /** After a close: the process ends, and perhaps the power too. */
  async reopen(withPowerCut: boolean): Promise<void> {
    const { life } = this
    life.end()
    life.disk.stop(withPowerCut ? 'power' : 'kill')
    await this.clock.rest()
    await this.open()
  }

  /** Looks at everything stored, if that can be done at one moment; answers whether it could. */
  async look(when: 'opening' | 'at rest' = 'at rest'): Promise<boolean> {
    for (let attempt = 1; attempt <= MOST_LOOKS; attempt++) {
      // What is due right after an opening must not happen before the first look.
      if (when === 'at rest') await this.clock.rest()
      const before = this.history.eventCount
      const scan = await this.#scan(this.history.model.isCalmed || this.#lookRandom.chance(0.2))
      if (scan === undefined) return false
      // Reading applies what waits, and that lets sends in that waited for room.
      if (this.history.eventCount !== before) continue
      this.tell({ type: 'scanned', scan })
      return true
    }
    return false
  }

  /** Answers `undefined` when it had to wait for time to pass, and when the machine stopped meanwhile. */
  async #scan(isThorough: boolean): Promise<Scan | undefined> {
    const { life } = this
    if (life.isOver || life.mq.state === 'failed') return undefined
    const look: Look = {
      engine: life.engine,
      store: life.store,
      members: new Map(this.profile.groups.map(({ name, memberNames }) => [name, memberNames])),
      random: this.#lookRandom,
      probeCount: isThorough ? 3 : 1,
      withCheck: isThorough,
    }
    let scan: Scan | undefined
    void lookAt(look).then(
      (found) => {
        scan = found
      },
      (error: unknown) => life.tell({ type: 'told', what: 'look', text: MQError.from(error).message }),
    )
    await this.#turnUntil(() => scan !== undefined || life.isOver)
    return life.isOver ? undefined : scan
  }

  /** Everything that the disk and the verbs were told to do wrong ends. */
  heal(): void {
    this.isHealed = true
    Object.assign(this.verbTroubles, { fails: 0, losesAnswer: 0, answersLate: 0 })
    this.interruption = undefined
    Object.assign(this.life.disk.faults, noFaults())
    this.life.disk.cancelStop()
  }

  /** Sets the wall clock forward or back; timers do not notice. */
  jump(byMs: number): void {
    this.#latestTimestamp = Math.max(this.#latestTimestamp, this.clock.now())
    this.tell({ type: 'jumping', byMs })
    this.clock.jump(byMs)
  }

  /** A clock that was set back is set right: what is due by it would wait for days. */
  straightenClock(): void {
    const behindMs = this.#latestTimestamp - this.clock.now()
    if (behindMs > 0) this.jump(behindMs)
  }

  /** After a run, however it ended: nothing of it goes on while others run. */
  async abandon(): Promise<void> {
    const disk = this.#disk
    if (disk !== undefined) {
      disk.onStop = () => undefined
      disk.stop('kill')
    }
    this.#life?.end()
    for (let turns = 0; turns < LAST_TURNS; turns++) await realTime.turn()
  }

  /** No error gets through what runs away in one turn of the event loop; but a life that is over answers no verb. */
  #endRunaway(): void {
    if (this.#isRunaway) return
    this.#isRunaway = true
    this.history.add({ type: 'overdue', what: 'the end of what happens at this moment' })
    this.#life?.end()
  }

  #giveUp(what: string): never {
    this.tell({ type: 'overdue', what })
    throw new RunEnded(what)
  }

  #nextLife(): Life {
    const scope = this.clock.scope()
    const disk = this.#disk?.next(scope) ?? this.#newDisk(scope)
    this.#disk = disk
    disk.onStop = () => this.tell({ type: 'crashed', how: disk.stoppedHow })
    const { interruption } = this
    this.interruption = undefined
    if (interruption !== undefined) disk.stopAt(interruption.calls, interruption.how)
    return new Life(this.#host, disk, scope)
  }

  #newDisk(scope: Life['scope']): SimulatedDisk {
    return this.profile.disk === 'mean'
      ? new MeanDisk(scope, this.#diskRandom)
      : new PlainDisk(scope, this.#diskRandom)
  }

  /** Answers false when the machine stopped meanwhile. */
  async #tryOpen(life: Life): Promise<boolean> {
    let failure: unknown
    const opening = life.open().catch((error: unknown) => {
      failure = error
    })
    const isSettled = await this.#settles(opening, () => life.isOver)
    if (life.isOver) return false
    life.disk.cancelStop()
    if (isSettled && failure === undefined) return true
    this.tell({ type: 'open-failed', refusal: refusalOf(failure ?? new Error('Opening does not end.')) })
    throw new RunEnded('The store does not open.')
  }

  /** Lets time pass until the promise settles or the machine stops. */
  async #settles(promise: Promise<unknown>, isOver: () => boolean): Promise<boolean> {
    let isSettled = false
    const note = (): void => {
      isSettled = true
    }
    promise.then(note, note)
    await this.#turnUntil(() => isSettled || isOver())
    const endMs = this.clock.monotonicMs() + LONGEST_OPENING_MS + this.#longestCloseMs()
    while (!isSettled && !isOver() && this.clock.monotonicMs() < endMs) await this.clock.advance(100)
    return isSettled
  }

  /** What the disk does may take turns that the clock does not know of. */
  async #turnUntil(isDone: () => boolean): Promise<void> {
    for (let turns = 0; turns < MOST_TURNS && !isDone(); turns++) await realTime.turn()
  }

  #longestCloseMs(): number {
    return Math.max(...this.profile.groups.map(({ closeTimeoutMs }) => closeTimeoutMs))
  }
}
