/**
 * Spans for what an instance does. A send's context travels in the properties of its messages, as the propagator of the application writes it
 * (`traceparent`), and what happens to a message later links to it.
 */
import { invalidParameter } from '../model/errors.ts'
import { tracerOf } from '../tracing/instance-tracers.ts'
import type { TelemetryApi, TelemetryTracer } from './api.ts'
import { SpanObserver } from './span-observer.ts'

/** What `instrument` takes: `trace`, `context` and `propagation` of `@opentelemetry/api`. */
export interface InstrumentOptions extends TelemetryApi {
  /** What makes the spans. Default: `trace.getTracer('pocketmq')`. */
  readonly tracer?: TelemetryTracer | undefined
}

const METHODS = {
  trace: ['getTracer', 'setSpan', 'deleteSpan', 'getSpanContext'],
  context: ['active', 'with'],
  propagation: ['inject', 'extract'],
} as const

/**
 * Makes spans of what this instance does from now on, until the returned function is called: `send` for each attempt to store a message
 * or a batch, `process` for each call of a listener, `receive`, `ack` and `nack` for consumers that ask. Throws `INVALID_PARAMETER` for what is
 * no instance or no part of the API.
 *
 * `process` spans begin traces of their own, linked to the sends of their messages; within the listener they are the active span.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * import { instrument, type TelemetryApi } from 'pocketmq/opentelemetry'
 * declare const api: TelemetryApi // import * as api from '@opentelemetry/api'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const stop = instrument(mq, api)
 * stop()
 * ```
 */
export function instrument(mq: object, options: InstrumentOptions): () => void {
  const tracer = tracerOf(mq)
  for (const [part, methods] of Object.entries(METHODS)) checkPart(options, part, methods)
  const spans = options.tracer ?? options.trace.getTracer('pocketmq')
  return tracer.observe(new SpanObserver(options, spans))
}

function checkPart(options: unknown, part: string, methods: readonly string[]): void {
  if (!isWhole(options, part, methods))
    throw invalidParameter(`instrument: give '${part}' of @opentelemetry/api.`)
}

function isWhole(options: unknown, part: string, methods: readonly string[]): boolean {
  try {
    const found: unknown =
      typeof options === 'object' && options !== null ? Reflect.get(options, part) : undefined
    return (
      typeof found === 'object' &&
      found !== null &&
      methods.every((method) => typeof Reflect.get(found, method) === 'function')
    )
  } catch {
    return false // a getter that throws is no part of it either
  }
}
