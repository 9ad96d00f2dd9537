/** The engine as a producer uses it: as its options want it and, as long as somebody traces messages, told of what it does. */
import type { Engine } from '../model/engine.ts'
import type { TracedClient, Tracing } from '../model/tracing.ts'
import { tracedEngine } from './traced-engine.ts'

export class WatchedEngine {
  readonly #engine: Engine
  readonly #producer: TracedClient
  readonly #tracing: Tracing | undefined
  #traced: Engine | undefined

  constructor(engine: Engine, producer: TracedClient, tracing: Tracing | undefined) {
    this.#engine = engine
    this.#producer = producer
    this.#tracing = tracing
  }

  /** What to use now: it changes when somebody begins or ceases to trace. */
  get engine(): Engine {
    const tracing = this.#tracing
    if (tracing === undefined || !tracing.watchesSends) return this.#engine
    this.#traced ??= tracedEngine(this.#engine, this.#producer, tracing)
    return this.#traced
  }
}
