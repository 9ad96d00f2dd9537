/** Durations as tests write them. */
import { parseDuration } from '../model/duration.ts'
import { invalidParameter } from '../model/errors.ts'

/** Milliseconds, or a text such as `'500ms'`, `'10s'`, `'5m'`, `'2h'` or `'3d'`. */
export type Duration = number | string

/** Milliseconds of a duration; throws `INVALID_PARAMETER` for anything else. */
export function toMs(duration: Duration): number {
  const ms = typeof duration === 'string' ? parseDuration(duration) : duration
  if (ms !== undefined && Number.isSafeInteger(ms) && ms >= 0) return ms
  throw invalidParameter(
    `'${duration}' is no duration; give whole milliseconds, or a text such as 500ms, 10s, 5m, 2h, 3d.`,
  )
}
