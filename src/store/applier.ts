/**
 * Moves frames from the journal's memory tail into the databases, in the background and in slices, so that no slice holds
 * the event loop for long. One slice is in flight at a time.
 *
 * The write-ahead rule: only frames that lie before the journal's last flush are taken, so no database is ever ahead of
 * the journal, and what a power cut leaves is a prefix.
 */
import { MQError } from '../model/errors.ts'
import { OwnContext } from '../model/own-context.ts'
import type { AppliedState } from './applied-state.ts'
import { applyFact, finishSlice } from './apply.ts'
import type { Databases } from './databases.ts'
import { decodeFacts } from './fact-format.ts'
import type { Frame } from './frame.ts'
import { emptySlice, type Slice } from './slice.ts'

/** What the applier needs of its store. */
export interface ApplierHost {
  /** The last sequence number that may be applied. */
  limitSeq(): number
  /** The next frame must begin a slice. */
  closeSlice(): void
  /** Frames were applied, with these rows: there is room for more. */
  onApplied(slice: Slice): void
  /** Healing was given up, or a frame cannot be applied: nothing will be any more. */
  fail(error: MQError): void
  /** A database rejected a slice; resolves when the databases are open again and hold all up to `untilSeq`. */
  heal(error: MQError, untilSeq: number): Promise<AppliedState>
}

export class Applier {
  readonly #host: ApplierHost
  readonly #databases: Databases
  /** It may run as long as somebody sends: in nobody's context but its own. */
  readonly #context = new OwnContext()
  #state: AppliedState
  readonly #tail: Frame[] = []
  #tailBytes = 0
  #running: Promise<void> | undefined
  #stopped = false
  /** As `#state.applied`, but without the slice in flight. */
  #appliedSeq: number
  /** Who waits for the end of the slice in flight. */
  #onSliceDone: (() => void)[] = []
  #paused: Promise<void> | undefined

  constructor(host: ApplierHost, databases: Databases, state: AppliedState) {
    this.#host = host
    this.#databases = databases
    this.#state = state
    this.#appliedSeq = state.applied
  }

  /** The small tables as far as they are applied. */
  get state(): Readonly<AppliedState> {
    return this.#state
  }

  /** The last sequence number in both databases. */
  get appliedSeq(): number {
    return this.#appliedSeq
  }

  /** Bytes of frames that are not yet in the databases. */
  get tailBytes(): number {
    return this.#tailBytes
  }

  enqueue(frame: Frame): void {
    this.#tail.push(frame)
    this.#tailBytes += frame.bytes
  }

  /** Goes on, if there is anything that may be applied. */
  wake(): void {
    if (this.#running !== undefined || this.#paused !== undefined || !this.#canApply()) return
    this.#running = this.#context
      .run(() => this.#run())
      .catch((error: unknown) => {
        this.#stopped = true
        this.#host.fail(MQError.from(error, 'STORE_FAILED'))
      })
      .finally(() => {
        this.#running = undefined
        this.#tellSliceDone()
        this.wake()
      })
  }

  /** The last sequence number that was handed over. */
  get enqueuedSeq(): number {
    return this.#tail.at(-1)?.lastSeq ?? this.#appliedSeq
  }

  /** Resolves when the slice in flight, or the next one that may be applied, is in the databases. */
  async advance(): Promise<void> {
    while (this.#paused !== undefined) await this.#paused
    this.wake()
    if (this.#running === undefined) return
    await new Promise<void>((resolve) => this.#onSliceDone.push(resolve))
  }

  /** Resolves when no slice is in flight. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Finishes what may be applied, then applies no more. */
  async stop(): Promise<void> {
    // A pause may come while a slice is in flight, and there may be more to apply behind it.
    while (this.#paused !== undefined || this.#running !== undefined) await (this.#paused ?? this.#running)
    this.#stopped = true
  }

  /** Runs work while no slice is applied; one such work at a time. */
  async pauseWhile<T>(work: () => Promise<T>): Promise<T> {
    while (this.#paused !== undefined) await this.#paused
    const working = this.idle().then(work)
    this.#paused = working.then(
      () => undefined,
      () => undefined,
    )
    try {
      return await working
    } finally {
      this.#paused = undefined
      this.wake()
    }
  }

  /** Runs work that writes to the databases while no slice is applied. When it fails they are healed, as after a slice. */
  async maintain(work: () => Promise<void>): Promise<void> {
    await this.pauseWhile(async () => {
      try {
        await work()
      } catch (error) {
        await this.#heal(error)
        throw error
      }
    })
  }

  #canApply(): boolean {
    if (this.#stopped || this.#tail.length === 0) return false
    const last = this.#tail[this.#sliceLength() - 1]
    return last !== undefined && last.lastSeq <= this.#host.limitSeq()
  }

  async #run(): Promise<void> {
    while (this.#canApply() && this.#paused === undefined) {
      const { slice, frameCount } = this.#takeSlice()
      try {
        await this.#databases.write(slice)
      } catch (error) {
        await this.#heal(error)
      }
      this.#drop(frameCount)
      this.#tellSliceDone()
      this.#host.onApplied(slice)
    }
  }

  /** Healing replays from the journal to where the databases should be, the slice that failed included. */
  async #heal(error: unknown): Promise<void> {
    this.#state = await this.#host.heal(MQError.from(error), this.#state.applied)
  }

  #takeSlice(): { slice: Slice; frameCount: number } {
    const slice = emptySlice()
    const frameCount = this.#sliceLength()
    for (let i = 0; i < frameCount; i++) this.#applyFrame(slice, this.#tail[i] as Frame)
    finishSlice(this.#state, slice)
    return { slice, frameCount }
  }

  /** Decodes the frame as recovery does: what is applied is what was written. */
  #applyFrame(slice: Slice, frame: Frame): void {
    let next = frame.seq
    for (const part of frame.factParts()) {
      for (const fact of decodeFacts(part)) {
        applyFact(this.#state, slice, fact, next)
        next += 1
      }
    }
  }

  /** Frames up to the next one that begins a slice; at the end of the tail the slice is closed here. */
  #sliceLength(): number {
    let length = 1
    while (length < this.#tail.length && this.#tail[length]?.startsSlice === false) length += 1
    if (length === this.#tail.length) this.#host.closeSlice()
    return length
  }

  #tellSliceDone(): void {
    for (const resolve of this.#onSliceDone.splice(0)) resolve()
  }

  #drop(frameCount: number): void {
    for (const frame of this.#tail.splice(0, frameCount)) {
      this.#appliedSeq = frame.lastSeq
      this.#tailBytes -= frame.bytes
      for (const { log } of frame.appends) log.dropApplied()
      // A database in memory keeps the values it was given; one on disk has copied them.
      if (this.#databases.copyValues) frame.release()
    }
  }
}
