/** How the lives of the store ended, and so what the next look at it may miss. */
import type { SimEvent, Stamp } from '../events.ts'

/** A flush of the journal as the disk sees it. */
export interface FlushSpan {
  readonly flush: number
  readonly beganMs: number
  /** `undefined`: it had not ended when its life did. */
  endedMs: number | undefined
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

  observe(event: SimEvent, stamp: Stamp): void {
    const { elapsedMs, life } = stamp
    switch (event.type) {
      case 'opened':
        this.previous = this.current
        this.current = newRecord(life, elapsedMs)
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
