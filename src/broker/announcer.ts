/**
 * Tells clients and the application what happened, in the same turn. What a listener throws is logged: it must neither
 * reach the verb that it heard about, which has already taken effect, nor keep the other listeners from hearing.
 */
import type { EngineEvent } from '../model/engine.ts'
import type { EmitEvent, MQEvents } from '../model/events.ts'
import type { Logger } from '../model/logger.ts'

type Listener = (event: EngineEvent) => void

export class Announcer {
  readonly #emit: EmitEvent
  readonly #logger: Logger

  readonly #watches = new Set<{ readonly listener: Listener }>()

  constructor(emit: EmitEvent, logger: Logger) {
    this.#emit = emit
    this.#logger = logger
  }

  /** Tells the listener everything until the returned function is called. */
  watch(listener: Listener): () => void {
    const watch = { listener }
    this.#watches.add(watch)
    return () => this.#watches.delete(watch)
  }

  /** Tells the clients. */
  tell(event: EngineEvent): void {
    for (const { listener } of this.#watches) {
      try {
        listener(event)
      } catch (error) {
        this.#logger.error(`A client failed to handle '${event.type}'.`, error)
      }
    }
  }

  /** Tells the application. */
  emit<Name extends keyof MQEvents>(name: Name, event: Parameters<MQEvents[Name]>[0]): void {
    try {
      this.#emit(name, event)
    } catch (error) {
      this.#logger.error(`A listener of '${name}' threw.`, error)
    }
  }
}
