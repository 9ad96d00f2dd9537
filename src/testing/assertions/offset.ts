/** Virtual times as people read them: how long after the beginning. */

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]

/** `+0s`, `+10s`, `+4h45m40s`; a clock that was set back makes `-1h`. */
export function formatOffset(offsetMs: number): string {
  let rest = Math.abs(Math.round(offsetMs))
  let text = ''
  for (const [name, ms] of UNITS) {
    const count = Math.floor(rest / ms)
    if (count > 0) text += `${count}${name}`
    rest -= count * ms
  }
  return `${offsetMs < 0 ? '-' : '+'}${text || '0s'}`
}
