/**
 * Interleaved rounds: product, baseline, product, baseline. What the machine does to one it does to the other, and
 * the medians stand up to a single disturbed round. The first round of each only warms up and does not count.
 */
import type { Setup } from './scenario.ts'

/** Does the work once and answers its rate (or its time). */
export type Round = () => Promise<number>

export interface Medians {
  readonly product: number
  readonly baseline: number
}

/** Measures both in turn and notes how far the rounds lie apart. */
export async function interleave(
  setup: Setup,
  roundCount: number,
  product: Round,
  baseline: Round,
): Promise<Medians> {
  const measured = { product: [] as number[], baseline: [] as number[] }
  for (let round = 0; round <= roundCount; round++) {
    const values = { product: await undisturbed(product), baseline: await undisturbed(baseline) }
    if (round === 0) continue
    measured.product.push(values.product)
    measured.baseline.push(values.baseline)
  }
  setup.note(
    `product ${spread(measured.product)}, baseline ${spread(measured.baseline)} over ${roundCount} rounds`,
  )
  return { product: median(measured.product), baseline: median(measured.baseline) }
}

/** Things done per second. */
export async function rateOf(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (count / (performance.now() - start)) * 1000
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which this share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Garbage of one round is not collected in the time of the next. */
function undisturbed(round: Round): Promise<number> {
  globalThis.gc?.()
  return round()
}

function spread(values: readonly number[]): string {
  return `${format(Math.min(...values))} to ${format(Math.max(...values))}`
}

function format(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
