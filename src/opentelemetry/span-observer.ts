/** Makes the spans of one instance. What tracer or propagator throw is ignored: it must not stop a message. */
import type { MessageView } from '../model/message.ts'
import type { DeliveryTrace, ReceiveTrace, SendTrace, SettleTrace, TracedClient } from '../model/tracing.ts'
import type { TraceObserver } from '../tracing/observer.ts'
import {
  SpanKind,
  STATUS_ERROR,
  type TelemetryApi,
  type TelemetryContext,
  type TelemetrySpan,
  type TelemetryTracer,
} from './api.ts'
import { consumeAttributes, errorType, type Operation, sendAttributes } from './attributes.ts'

export class SpanObserver implements TraceObserver {
  readonly #api: TelemetryApi
  readonly #tracer: TelemetryTracer
  readonly #spans = new WeakMap<object, TelemetrySpan>()

  constructor(api: TelemetryApi, tracer: TelemetryTracer) {
    this.#api = api
    this.#tracer = tracer
  }

  carry(setProperty: SendTrace['setProperty']): void {
    attempt(() => this.#inject(this.#api.context.active(), setProperty))
  }

  aroundSend<T>(trace: SendTrace, send: () => Promise<T>): Promise<T> {
    return this.#within(
      attempt(() => this.#startSend(trace)),
      send,
    )
  }

  sent(trace: SendTrace): void {
    const { error } = trace
    if (error === undefined) this.#end(trace)
    else this.#end(trace, errorType(error), String(error))
  }

  aroundDelivery<T>(trace: DeliveryTrace, call: () => T): T {
    return this.#within(
      attempt(() => this.#startProcess(trace)),
      call,
    )
  }

  delivered(trace: DeliveryTrace): void {
    const { status, error } = trace
    if (status === 'SUCCESS') this.#end(trace)
    else this.#end(trace, status, error)
  }

  received(trace: ReceiveTrace): void {
    this.#atOnce({ name: 'receive', type: 'receive' }, trace, trace.messages)
  }

  settled(trace: SettleTrace): void {
    const name = trace.settlement === 'ACK' ? 'ack' : 'nack'
    this.#atOnce({ name, type: 'settle' }, trace, trace.messages)
  }

  /** Calls it once, within a context where there is one that works. */
  #within<T>(within: TelemetryContext | undefined, call: () => T): T {
    let answer: (() => T) | undefined
    const callOnce = (): void => {
      answer ??= answerOf(call)
    }
    if (within !== undefined) attempt(() => this.#api.context.with(within, callOnce))
    callOnce()
    return answer!()
  }

  /** The context that the send runs in; its messages carry it. */
  #startSend(trace: SendTrace): TelemetryContext {
    const options = { kind: SpanKind.PRODUCER, attributes: sendAttributes(trace) }
    const active = this.#parentOf(trace)
    const span = this.#tracer.startSpan(`send ${trace.queue.topic}`, options, active)
    this.#spans.set(trace, span)
    const within = this.#api.trace.setSpan(active, span)
    this.#inject(within, (name, value) => trace.setProperty(name, value))
    return within
  }

  #inject(context: TelemetryContext, setProperty: SendTrace['setProperty']): void {
    const carrier: Record<string, string> = {}
    this.#api.propagation.inject(context, carrier)
    for (const [name, value] of Object.entries(carrier)) setProperty(name, value)
  }

  /** Where no span is active, what the message carries: it was put into an outbox within that. */
  #parentOf({ messages: [first] }: SendTrace): TelemetryContext {
    const active = this.#api.context.active()
    const isActive = this.#api.trace.getSpanContext(active) !== undefined
    return isActive || first === undefined ? active : this.#extract(first)
  }

  /** The context that the listener runs in: what a single message carries, and not what happened to be active when it came. */
  #startProcess(trace: DeliveryTrace): TelemetryContext {
    const { messages } = trace
    const [first] = messages
    const isBatch = messages.length !== 1
    const attributes = consumeAttributes({ name: 'process', type: 'process' }, trace, messages, isBatch)
    const span = this.#startConsume(attributes, SpanKind.CONSUMER, messages, true)
    this.#spans.set(trace, span)
    const carried = isBatch || first === undefined ? this.#bare() : this.#extract(first)
    return this.#api.trace.setSpan(carried, span)
  }

  #atOnce(operation: Operation, client: TracedClient, messages: readonly MessageView[]): void {
    attempt(() => {
      const attributes = consumeAttributes(operation, client, messages, messages.length !== 1)
      this.#startConsume(attributes, SpanKind.CLIENT, messages, false).end()
    })
  }

  #startConsume(
    attributes: ReturnType<typeof consumeAttributes>,
    kind: number,
    messages: readonly MessageView[],
    root: boolean,
  ): TelemetrySpan {
    const links = messages.flatMap((message) => {
      const sender = this.#api.trace.getSpanContext(this.#extract(message))
      return sender === undefined ? [] : [{ context: sender }]
    })
    const destination = attributes['messaging.destination.name']
    const name = [attributes['messaging.operation.name'], destination].filter((part) => part !== undefined)
    return this.#tracer.startSpan(
      name.join(' '),
      { kind, attributes, links, root },
      this.#api.context.active(),
    )
  }

  #extract({ properties }: Pick<MessageView, 'properties'>): TelemetryContext {
    return this.#api.propagation.extract(this.#bare(), properties)
  }

  #bare(): TelemetryContext {
    const { trace, context } = this.#api
    return trace.deleteSpan(context.active())
  }

  #end(trace: object, type?: string, message?: string): void {
    attempt(() => {
      const span = this.#spans.get(trace)
      if (span === undefined) return
      this.#spans.delete(trace)
      if (type !== undefined) {
        span.setAttribute('error.type', type)
        span.setStatus({ code: STATUS_ERROR, ...(message !== undefined && { message }) })
      }
      span.end()
    })
  }
}

/** What a call returned or threw, for later. */
function answerOf<T>(call: () => T): () => T {
  try {
    const value = call()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
