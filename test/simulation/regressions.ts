/** Seeds that found something once; they are always run. */
export interface Regression {
  readonly seed: number
  /** Absent: as the seed says. */
  readonly steps?: number
  /** It was found when all groups were concurrent push consumers, and is run so. */
  readonly isConcurrent?: boolean
  /** It was found when every message was sent once and came at once, and is run so. */
  readonly isPlain?: boolean
  /** What it found. */
  readonly note: string
}

export const REGRESSIONS: readonly Regression[] = [
  { seed: 154, isConcurrent: true, note: 'a message came late' },
  {
    seed: 288,
    isConcurrent: true,
    note: 'a send of unknown outcome was called absent while its queue was hidden',
  },
  { seed: 296, isConcurrent: true, note: 'a slow call stopped the machine after it was healed' },
  { seed: 892, isConcurrent: true, note: 'an offset passed a message that was not safe' },
  {
    seed: 1191,
    isConcurrent: true,
    note: 'messages of a deleted topic lie in the log on, and count for retention',
  },
  {
    seed: 1210,
    isConcurrent: true,
    note: 'a power cut took a topic and its deletion, and its identity was given again',
  },
  { seed: 1549, isConcurrent: true, note: 'a failed store acknowledged an offset that was stored already' },
  { seed: 992, isPlain: true, note: 'an answer to a call from before a reset was held to count' },
  { seed: 1209, isPlain: true, note: 'so was one of a broadcasting member' },
  { seed: 1878, isPlain: true, note: 'so was one that came when its member had closed without it' },
  {
    seed: 1277,
    isPlain: true,
    note: 'of what was done only a part could be stored, and around that part it came again',
  },
  {
    seed: 1526,
    isPlain: true,
    note: 'a dead letter behind the offset was held to be lost when a process was killed',
  },
  { seed: 1843, isPlain: true, note: 'so was one that had been flushed before a power cut' },
  { seed: 1970, isPlain: true, note: 'so was one from two lives before' },
  { seed: 2043, isPlain: true, note: 'a reset that failed was held to have moved who polls' },
  {
    seed: 30,
    note: 'what somebody received who was never told, in vain, was held to be overtaken',
  },
]
