/** The way from an instance to its tracer, for the doors of the package that instrument one. */
import { invalidParameter } from '../model/errors.ts'
import type { Tracer } from './tracer.ts'

const tracers = new WeakMap<object, Tracer>()

export function setTracerOf(instance: object, tracer: Tracer): void {
  tracers.set(instance, tracer)
}

/** Throws `INVALID_PARAMETER` for what is no instance. */
export function tracerOf(instance: unknown): Tracer {
  const tracer = typeof instance === 'object' && instance !== null ? tracers.get(instance) : undefined
  if (tracer === undefined)
    throw invalidParameter('Give an instance that PocketMQ.open answered, of the same copy of the package.')
  return tracer
}
