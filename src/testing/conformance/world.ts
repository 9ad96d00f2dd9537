/** What a rule has to work with: engines of its own, with clients over them. */
import type { Duration } from '../duration.ts'
import { EngineMQ } from './engine-mq.ts'
import type { ConformanceEngine, ConformanceSettings, OpenConformanceEngine } from './engine-under-test.ts'

export class ConformanceWorld {
  readonly #openEngine: OpenConformanceEngine
  readonly #patienceMs: number
  readonly #lives = new Map<EngineMQ, readonly [opened: ConformanceEngine, settings: ConformanceSettings]>()

  /** `patienceMs`: real time after which something that had to happen has not. */
  constructor(openEngine: OpenConformanceEngine, patienceMs: number) {
    this.#openEngine = openEngine
    this.#patienceMs = patienceMs
  }

  /** Clients over a fresh engine. */
  async open(settings: ConformanceSettings = {}): Promise<EngineMQ> {
    return this.#begin(await this.#openEngine(settings), settings)
  }

  /** The same with a topic `orders`, of one queue unless told otherwise. */
  openShop(queues = 1, settings: ConformanceSettings = {}): Promise<EngineMQ> {
    return this.open({ ...settings, topics: [{ topic: 'orders', queues }, ...(settings.topics ?? [])] })
  }

  /** Closes an instance, and opens another one on what it has stored; `after` that long on the engine's clock. */
  async reopen(mq: EngineMQ, after: Duration = 0): Promise<EngineMQ> {
    const [opened, settings] = this.#lifeOf(mq)
    await mq.close()
    if (after !== 0) await mq.advance(after)
    this.#lives.delete(mq)
    return this.#begin(await opened.reopen!(), settings)
  }

  /** Kills an instance, and opens another one on what is left. */
  async crash(mq: EngineMQ, how: 'kill' | 'power' = 'kill'): Promise<EngineMQ> {
    const [opened, settings] = this.#lifeOf(mq)
    this.#lives.delete(mq)
    return this.#begin(await opened.crash!(how), settings)
  }

  /** Closes what the rule has opened. */
  async end(): Promise<void> {
    for (const mq of [...this.#lives.keys()].reverse()) await mq.close()
  }

  #begin(opened: ConformanceEngine, settings: ConformanceSettings): EngineMQ {
    const mq = new EngineMQ(opened, settings, this.#patienceMs)
    this.#lives.set(mq, [opened, settings])
    return mq
  }

  #lifeOf(mq: EngineMQ): readonly [ConformanceEngine, ConformanceSettings] {
    const life = this.#lives.get(mq)
    if (life === undefined) throw new Error('This instance has ended.')
    return life
  }
}
