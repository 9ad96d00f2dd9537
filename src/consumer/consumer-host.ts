/** What an instance lends to its consumers, of whatever kind. */
import type { Engine } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'

export interface ConsumerHost {
  readonly engine: Engine
  readonly emit: EmitEvent
  /** A name that no other client has. */
  nextClientId(): string
  /** The consumer has closed. */
  onClosed(consumer: object): void
}
