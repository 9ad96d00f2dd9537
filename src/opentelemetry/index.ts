/** The door for OpenTelemetry: every name that it promises, one by one. */
export type {
  TelemetryApi,
  TelemetryContext,
  TelemetrySpan,
  TelemetrySpanContext,
  TelemetrySpanOptions,
  TelemetryTracer,
  TelemetryValue,
} from './api.ts'
export { type InstrumentOptions, instrument } from './instrument.ts'
