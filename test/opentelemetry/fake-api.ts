/** The parts of `@opentelemetry/api` that are used, over an AsyncLocalStorage, with a tracer that keeps its spans. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type {
  TelemetryApi,
  TelemetryContext,
  TelemetrySpan,
  TelemetrySpanContext,
  TelemetrySpanOptions,
  TelemetryTracer,
  TelemetryValue,
} from '../../src/opentelemetry/api.ts'

const SPAN = Symbol('span')
const BAGGAGE = Symbol('baggage')
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/

class FakeContext implements TelemetryContext {
  readonly #values: ReadonlyMap<symbol, unknown>

  constructor(values: ReadonlyMap<symbol, unknown> = new Map()) {
    this.#values = values
  }

  getValue(key: symbol): unknown {
    return this.#values.get(key)
  }

  setValue(key: symbol, value: unknown): FakeContext {
    return new FakeContext(new Map([...this.#values, [key, value]]))
  }

  deleteValue(key: symbol): FakeContext {
    return new FakeContext(new Map([...this.#values].filter(([known]) => known !== key)))
  }
}

export class FakeSpan implements TelemetrySpan {
  readonly name: string
  readonly options: TelemetrySpanOptions
  readonly attributes: Record<string, TelemetryValue>
  readonly parentSpanId: string | undefined
  readonly #context: TelemetrySpanContext
  status: { code: number; message?: string } | undefined
  endCount = 0

  constructor(name: string, options: TelemetrySpanOptions, identity: TelemetrySpanContext, parent?: string) {
    this.name = name
    this.options = options
    this.attributes = { ...options.attributes }
    this.#context = identity
    this.parentSpanId = parent
  }

  spanContext(): TelemetrySpanContext {
    return this.#context
  }

  setAttribute(key: string, value: TelemetryValue): void {
    this.attributes[key] = value
  }

  setStatus(status: { code: number; message?: string }): void {
    this.status = status
  }

  end(): void {
    this.endCount += 1
  }
}

function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, '0')
}

function spanOf(context: TelemetryContext): TelemetrySpan | undefined {
  return context.getValue(SPAN) as TelemetrySpan | undefined
}

export class FakeTelemetry implements TelemetryApi {
  readonly spans: FakeSpan[] = []
  readonly tracerNames: string[] = []
  readonly #storage = new AsyncLocalStorage<TelemetryContext>()

  readonly ownTracer: TelemetryTracer = {
    startSpan: (name, options = {}, context = this.context.active()) => {
      const parent = options.root ? undefined : spanOf(context)?.spanContext()
      const traceId = parent?.traceId ?? hex(this.spans.length + 1, 32)
      const identity = { traceId, spanId: hex(this.spans.length + 1, 16), traceFlags: 1 }
      const span = new FakeSpan(name, options, identity, parent?.spanId)
      this.spans.push(span)
      return span
    },
  }

  readonly trace: TelemetryApi['trace'] = {
    getTracer: (name) => {
      this.tracerNames.push(name)
      return this.ownTracer
    },
    setSpan: (context, span) => context.setValue(SPAN, span),
    deleteSpan: (context) => context.deleteValue(SPAN),
    getSpanContext: (context) => spanOf(context)?.spanContext(),
  }

  readonly context: TelemetryApi['context'] = {
    active: () => this.#storage.getStore() ?? new FakeContext(),
    with: (context, call) => this.#storage.run(context, call),
  }

  readonly propagation: TelemetryApi['propagation'] = {
    inject: (context, carrier) => {
      const span = spanOf(context)?.spanContext()
      if (span !== undefined) carrier.traceparent = `00-${span.traceId}-${span.spanId}-01`
      const baggage = context.getValue(BAGGAGE)
      if (typeof baggage === 'string') carrier.baggage = baggage
    },
    extract: (context, carrier) => {
      const [, traceId, spanId] = TRACEPARENT.exec(carrier.traceparent ?? '') ?? []
      const within = carrier.baggage === undefined ? context : context.setValue(BAGGAGE, carrier.baggage)
      if (traceId === undefined || spanId === undefined) return within
      const remote = new FakeSpan('remote', {}, { traceId, spanId, traceFlags: 1 })
      return within.setValue(SPAN, remote)
    },
  }

  /** The spans of one name. */
  named(name: string): FakeSpan[] {
    return this.spans.filter((span) => span.name === name)
  }

  /** Runs something with a baggage, or within a span. */
  withBaggage<T>(baggage: string, call: () => T): T {
    return this.context.with(this.context.active().setValue(BAGGAGE, baggage), call)
  }

  withSpan<T>(span: TelemetrySpan, call: () => T): T {
    return this.context.with(this.trace.setSpan(this.context.active(), span), call)
  }

  /** The span and the baggage in force. */
  get active(): { readonly spanId: string | undefined; readonly baggage: unknown } {
    const context = this.context.active()
    return { spanId: spanOf(context)?.spanContext().spanId, baggage: context.getValue(BAGGAGE) }
  }
}
