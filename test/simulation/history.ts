/** Takes every event of a run, in order: into the trace, into the model, and to the checkers. */
import { type CheckerName, makeCheckers } from './checkers/all.ts'
import type { Checker, CheckerHost } from './checkers/checker.ts'
import type { SimEvent, Stamp } from './events.ts'
import { Model } from './model/model.ts'
import type { Profile } from './model/profile.ts'
import { Trace } from './trace.ts'

/** A promise that was broken. */
export interface Violation {
  readonly seed: number
  readonly step: number
  readonly invariant: number
  /** The checker that noticed. */
  readonly checker: CheckerName
  readonly story: string
}

/** Of one checker; the rest would tell the same again. */
const MOST_VIOLATIONS = 5

export class History {
  readonly trace = new Trace()
  readonly model: Model
  readonly violations: Violation[] = []
  /** Events so far, but for those that looking at the store brings about. */
  eventCount = 0
  /** Events since time moved. */
  eventsAtInstant = 0
  step = 0
  life = 0
  readonly #now: () => { elapsedMs: number; wallMs: number }
  readonly #profile: Profile
  readonly #checkers: readonly Checker[]
  #instantMs = 0

  constructor(profile: Profile, now: () => { elapsedMs: number; wallMs: number }) {
    this.#now = now
    this.#profile = profile
    this.model = new Model(profile)
    this.#checkers = makeCheckers((name) => this.#hostOf(name))
  }

  add(event: SimEvent): void {
    const stamp: Stamp = { step: this.step, life: this.life, ...this.#now() }
    this.trace.add(stamp, event)
    this.eventsAtInstant = stamp.elapsedMs === this.#instantMs ? this.eventsAtInstant + 1 : 1
    this.#instantMs = stamp.elapsedMs
    if (event.type !== 'flushing' && event.type !== 'flushed') this.eventCount += 1
    this.model.apply(event, stamp)
    for (const checker of this.#checkers) checker.observe(event, stamp)
  }

  #hostOf(checker: CheckerName): CheckerHost {
    let count = 0
    return {
      model: this.model,
      profile: this.#profile,
      violate: (invariant, story) => {
        count += 1
        if (count > MOST_VIOLATIONS) return
        this.violations.push({ seed: this.#profile.seed, step: this.step, invariant, checker, story })
      },
    }
  }
}
