/** What surrounds a broker. */
import type { Clock, RandomSource } from '../model/clock.ts'
import type { EngineSupports } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Logger } from '../model/logger.ts'

/** What a broker is given besides its store and its settings. */
export interface BrokerContext {
  readonly clock: Clock
  readonly random: RandomSource
  readonly logger: Logger
  /** Tells the application. */
  readonly emit: EmitEvent
  /** Whether the store outlives the process. */
  readonly durable: boolean
}

/** The optional parts that it offers. */
export function supportsOf(durable: boolean): EngineSupports {
  const parts = { pop: true, transactions: true, delay: true, requests: true, traces: true }
  return { durable, ...parts, deduplication: true, severalBrokers: false }
}
