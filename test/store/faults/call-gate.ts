/**
 * Every call to a medium passes here, is counted, and meets the fate that a test decides: it works, fails before or after
 * it took effect, hangs, or is the last one before the machine stops.
 */
import type { WorkloadRandom } from '../../crash/workload-random.ts'

export type Fate =
  | 'works'
  | 'fails-before'
  | 'fails-after'
  /** Waits for {@link CallGate.release}, then works. */
  | 'hangs'
  | 'stops-before'
  /** A part of what the call does is done, for the calls that have parts. */
  | 'stops-within'
  | 'stops-after'

export interface Call {
  /** Counts from 1, over all kinds. */
  readonly number: number
  /** For example `index.batch` or `journal.datasync`. */
  readonly kind: string
}

export type DecideFate = (call: Call) => Fate

/** Ends when a call of this kind may take effect; `undefined` for at once. */
export type PauseCall = (kind: string) => Promise<void> | undefined

/** What a call does, and what else may become of it. */
export interface Act<Result> {
  run(): Result
  /** Some part of it, when the machine stops in its middle. */
  runPartly?(): void
  /** It is about to fail, and has or has not taken effect. */
  onFailure?(tookEffect: boolean): void
}

export class CallGate {
  readonly #decide: DecideFate
  /** Delays calls, so that they overlap in many ways. */
  readonly #jitter: WorkloadRandom | undefined
  /** How long a call takes, on a clock. */
  readonly #pause: PauseCall | undefined
  readonly #waiting: (() => void)[] = []
  #callCount = 0
  #isReleased = false
  #isStopped = false
  #resolveStopped: () => void = () => undefined
  /** Resolves when the machine stops. */
  readonly stopped = new Promise<void>((resolve) => {
    this.#resolveStopped = resolve
  })

  constructor(decide: DecideFate, jitter?: WorkloadRandom, pause?: PauseCall) {
    this.#decide = decide
    this.#jitter = jitter
    this.#pause = pause
  }

  get callCount(): number {
    return this.#callCount
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** A call hangs now. */
  get isHanging(): boolean {
    return this.#waiting.length > 0
  }

  /** Calls that hang go on, and none hangs or fails any more. */
  release(): void {
    this.#isReleased = true
    for (const goOn of this.#waiting.splice(0)) goOn()
  }

  /** From now on no call takes effect, returns or fails. */
  stop(): void {
    this.#isStopped = true
    this.#resolveStopped()
  }

  async pass<Result>(kind: string, act: Act<Result>): Promise<Result> {
    const fate = this.#fateOf(kind)
    await this.#delay()
    await this.#pause?.(kind)
    if (fate === 'hangs') await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (!this.#isStopped) {
      const result = this.#meet(kind, fate, act)
      if (result !== STOPPED) return result
    }
    return new Promise<never>(() => undefined)
  }

  passSync<Result>(kind: string, act: Act<Result>): Result {
    const fate = this.#fateOf(kind)
    if (this.#isStopped) throw new Error('the machine stands still')
    // A synchronous call cannot hang without the test.
    const result = this.#meet(kind, fate === 'hangs' ? 'works' : fate, act)
    if (result === STOPPED) throw new Error('the machine stands still')
    return result
  }

  #fateOf(kind: string): Fate {
    this.#callCount += 1
    return this.#isReleased ? 'works' : this.#decide({ number: this.#callCount, kind })
  }

  #meet<Result>(kind: string, fate: Fate, act: Act<Result>): Result | typeof STOPPED {
    switch (fate) {
      case 'works':
      case 'hangs':
        return act.run()
      case 'fails-before':
        act.onFailure?.(false)
        throw new Error(`${kind} fails (before it took effect)`)
      case 'fails-after':
        if (act.onFailure === undefined) act.run()
        else act.onFailure(true)
        throw new Error(`${kind} fails (after it took effect)`)
      case 'stops-before':
        this.stop()
        return STOPPED
      case 'stops-within':
        if (act.runPartly === undefined) act.run()
        else act.runPartly()
        this.stop()
        return STOPPED
      case 'stops-after':
        act.run()
        this.stop()
        return STOPPED
    }
  }

  async #delay(): Promise<void> {
    if (this.#jitter === undefined) return
    if (this.#jitter.chance(0.1)) await new Promise((resolve) => setImmediate(resolve))
    for (let i = this.#jitter.below(4); i > 0; i--) await undefined
  }
}

const STOPPED = Symbol('stopped')
