/** Seeds that found something once; they are always run. */
export interface Regression {
  readonly seed: number
  /** Absent: as the seed says. */
  readonly steps?: number
  /** What it found. */
  readonly note: string
}

export const REGRESSIONS: readonly Regression[] = [
  { seed: 154, note: 'a message came late' },
  { seed: 892, note: 'an offset passed a message that was not safe' },
]
