/**
 * What is used of `@opentelemetry/api`, as shapes: the package is an optional peer that this one never imports, so that the application's own
 * copy, and with it the application's own context, is the one that counts. Its `trace`, `context` and `propagation` fit as they are.
 */

/** Values that travel with a call, such as the current span. */
export interface TelemetryContext {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): TelemetryContext
  deleteValue(key: symbol): TelemetryContext
}

/** The identity of a span. */
export interface TelemetrySpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

/** The value of an attribute. */
export type TelemetryValue = string | number | boolean | string[]

/** What of a span is used. */
export interface TelemetrySpan {
  spanContext(): TelemetrySpanContext
  setAttribute(key: string, value: TelemetryValue): unknown
  setStatus(status: { code: number; message?: string }): unknown
  end(): void
}

/** How a span begins. */
export interface TelemetrySpanOptions {
  kind?: number
  attributes?: Record<string, TelemetryValue>
  links?: { context: TelemetrySpanContext }[]
  root?: boolean
}

/** What makes spans. */
export interface TelemetryTracer {
  startSpan(name: string, options?: TelemetrySpanOptions, context?: TelemetryContext): TelemetrySpan
}

/** What `instrument` needs: the exports of `@opentelemetry/api` that have these names. */
export interface TelemetryApi {
  readonly trace: {
    getTracer(name: string): TelemetryTracer
    setSpan(context: TelemetryContext, span: TelemetrySpan): TelemetryContext
    deleteSpan(context: TelemetryContext): TelemetryContext
    getSpanContext(context: TelemetryContext): TelemetrySpanContext | undefined
  }
  readonly context: {
    active(): TelemetryContext
    with<T>(context: TelemetryContext, call: () => T): T
  }
  readonly propagation: {
    inject(context: TelemetryContext, carrier: Record<string, string>): void
    extract(context: TelemetryContext, carrier: Readonly<Record<string, string>>): TelemetryContext
  }
}

/** `SpanKind` of the API. */
export const SpanKind = { CLIENT: 2, PRODUCER: 3, CONSUMER: 4 } as const
/** `SpanStatusCode.ERROR` of the API. */
export const STATUS_ERROR = 2
