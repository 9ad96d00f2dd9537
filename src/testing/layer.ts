/**
 * Layers between an application and the engine of a test instance. Each may stand before the engine's verbs, and around
 * the calls of listeners. The first layer of a list is the one next to the application, the last is next to the engine.
 */
import type { ConsumeContext } from '../consumer/consume-context.ts'
import type { ConsumeResult } from '../consumer/message-listener.ts'
import type { Engine } from '../model/engine.ts'
import type { MessageView } from '../model/message.ts'
import { overlay } from '../model/overlay.ts'

export { overlay }

/** One call of a listener. */
export interface ListenerCall {
  readonly group: string
  readonly clientId: string
  /** One message, or those of a batch listener. */
  readonly messages: readonly MessageView[]
  readonly context: ConsumeContext
  /** The member consumes in order: a queue's next message is called for when this one is done. */
  readonly isOrderly: boolean
  /** The member's `consumeTimeoutMs`. */
  readonly consumeTimeoutMs: number
}

/** Calls the listener, or the next layer on the way to it. Rejects when the listener throws or rejects. */
export type CallListener = (call: ListenerCall) => Promise<ConsumeResult | undefined>

export interface TestLayer {
  /** Verbs that stand before those of the next layer; the others pass. */
  engine?(next: Engine): Partial<Engine>
  /** Stands around the call of the next layer towards the application. */
  listener?(next: CallListener): CallListener
}

/** The engine as seen through the layers. */
export function layeredEngine(engine: Engine, layers: readonly TestLayer[]): Engine {
  return layers.reduceRight<Engine>((next, layer) => {
    const verbs = layer.engine?.(next)
    return verbs === undefined ? next : overlay(next, verbs)
  }, engine)
}

/** The call of a listener as seen through the layers. */
export function layeredCall(call: CallListener, layers: readonly TestLayer[]): CallListener {
  return layers.reduce((next, layer) => layer.listener?.(next) ?? next, call)
}
