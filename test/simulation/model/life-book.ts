/** How the lives of the store ended, and so what the next look at it may miss. */
import type { SimEvent, Stamp } from '../events.ts'

/** A flush of the journal as the disk sees it. */
export interface FlushSpan {
  readonly flush: number
  readonly beganMs: number
  /** `undefined`: it had not ended when its life did. */
  endedMs: number | undefined
}

/** When something was done: in which life, and how many flushes had begun by then. */
export interface Moment {
  readonly life: number
  readonly flushCount: number
}

/** A life that ended by itself, by a crash or by a failure, or that runs. */
export interface LifeRecord {
  readonly life: number
  readonly openedMs: number
  readonly flushes: FlushSpan[]
  /** Since when nothing was acknowledged any more. */
  endedMs: number | undefined
  /** It was closed, and said that everything is safe. */
  isClosed: boolean
  /** The power was cut at its end, or before the next opening was done. */
  isPowerCut: boolean
  /** The store said that it failed. */
  failedMs: number | undefined
}

export class LifeBook {
  current: LifeRecord = newRecord(0, 0)
  /** The life before, until it was looked at what it left. */
  previous: LifeRecord | undefined
  /** Flushes that ever began. */
  flushCount = 0
  #isLookedAt = true

  observe(event: SimEvent, stamp: Stamp): void {
    const { elapsedMs, life } = stamp
    switch (event.type) {
      case 'opened':
        // One that ended before its first look changed nothing, and nobody has seen yet what the one before it left.
        if (this.#isLookedAt) this.previous = this.current
        this.#isLookedAt = false
        this.current = newRecord(life, elapsedMs)
        return
      case 'scanned':
        this.#isLookedAt = true
        return
      case 'crashed':
        this.current.endedMs ??= elapsedMs
        this.current.isPowerCut ||= event.how === 'power'
        return
      case 'closed':
        this.current.endedMs ??= elapsedMs
        this.current.isClosed = event.refusal === undefined && this.current.failedMs === undefined
        return
      case 'state':
        if (event.state !== 'failed') return
        this.current.endedMs ??= elapsedMs
        this.current.failedMs ??= elapsedMs
        return
      case 'flushing':
      case 'flushed':
        this.#noteFlush(event, stamp)
    }
  }

  /** The life whose acknowledged work a power cut could take, if the store was not looked at since. */
  get cutLife(): LifeRecord | undefined {
    const { previous } = this
    return previous?.isPowerCut === true && !previous.isClosed ? previous : undefined
  }

  #noteFlush(
    { type, flush }: { type: 'flushing' | 'flushed'; flush: number },
    { elapsedMs, life }: Stamp,
  ): void {
    this.flushCount = Math.max(this.flushCount, flush)
    // What is flushed while a store is being opened belongs to no life yet.
    if (life !== this.current.life) return
    const { flushes } = this.current
    if (type === 'flushing') {
      flushes.push({ flush, beganMs: elapsedMs, endedMs: undefined })
      return
    }
    const span = flushes.find((each) => each.flush === flush)
    if (span !== undefined) span.endedMs = elapsedMs
  }
}

/** Whether a power cut at the end of this life may take back what was done then: no flush began behind it and ended. */
export function mayTakeBack({ life, flushes }: LifeRecord, moment: Moment): boolean {
  if (life !== moment.life) return false
  return !flushes.some(({ flush, endedMs }) => flush > moment.flushCount && endedMs !== undefined)
}

function newRecord(life: number, openedMs: number): LifeRecord {
  return {
    life,
    openedMs,
    flushes: [],
    endedMs: undefined,
    isClosed: false,
    isPowerCut: false,
    failedMs: undefined,
  }
}
