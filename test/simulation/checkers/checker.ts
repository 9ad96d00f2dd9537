/** What a checker is: it hears of every event and says when a promise is broken. It never asks the code under test. */
import type { SimEvent, Stamp } from '../events.ts'
import type { Model } from '../model/model.ts'
import type { Profile } from '../model/profile.ts'

export interface CheckerHost {
  /** Has taken in the event that the checker is about to hear of. */
  readonly model: Model
  readonly profile: Profile
  /** The promise with this number in docs/simulation.md is broken; the story is for whoever has to find out why. */
  violate(invariant: number, story: string): void
}

export interface Checker {
  observe(event: SimEvent, stamp: Stamp): void
}
