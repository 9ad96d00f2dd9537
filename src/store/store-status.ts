/**
 * What a store can do now, and why not. Healing and a full disk come and go, each by itself; a failure and the end are
 * final. The first failure is kept, whatever follows from it.
 */
import { MQError } from '../model/errors.ts'
import type { EmitEvent, StoreState } from '../model/events.ts'

export class StoreStatus {
  readonly #emit: EmitEvent
  #failure: MQError | undefined
  #isHealing = false
  #isDiskFull = false
  #isClosing = false
  #isClosed = false
  /** What was told last. */
  #told: StoreState = 'open'

  constructor(emit: EmitEvent) {
    this.#emit = emit
  }

  get state(): StoreState {
    if (this.#isClosed) return 'closed'
    if (this.#failure !== undefined) return 'failed'
    if (this.#isHealing) return 'healing'
    return this.#isDiskFull ? 'read-only' : 'open'
  }

  get failure(): MQError | undefined {
    return this.#failure
  }

  /** Nothing more is taken: it failed, it is closed, or it is closing. */
  get isOver(): boolean {
    return this.#isClosing || this.#isClosed || this.#failure !== undefined
  }

  /** Why a send is refused, or `undefined` when it is not. */
  refuseSend(): MQError | undefined {
    if (this.isOver) return this.refusal()
    if (!this.#isDiskFull) return undefined
    const text = 'The disk is nearly full; make room and sends go on.'
    return new MQError('DISK_FULL', text, { outcome: 'not-attempted' })
  }

  /** Why nothing more is taken. Of what is refused now nothing is stored, whatever became of the write that failed. */
  refusal(): MQError {
    if (this.#failure === undefined || this.#isClosing) {
      return new MQError('CLOSED', 'The store is closed; open it again.', { outcome: 'not-attempted' })
    }
    const text = `The store failed and takes nothing more; reopen it. ${this.#failure.message}`
    return new MQError('STORE_FAILED', text, { cause: this.#failure, outcome: 'not-attempted' })
  }

  beginClose(): void {
    this.#isClosing = true
  }

  /** Answers whether this is the first failure. */
  fail(error: MQError): boolean {
    if (this.#failure !== undefined) return false
    this.#failure = error
    this.#tell(error)
    return true
  }

  close(): void {
    this.#isClosed = true
    this.#tell()
  }

  setHealing(error: MQError): void {
    this.#isHealing = true
    this.#tell(error)
  }

  setHealed(): void {
    this.#isHealing = false
    this.#tell()
  }

  setDiskFull(isFull: boolean): void {
    this.#isDiskFull = isFull
    this.#tell()
  }

  #tell(error?: MQError): void {
    const { state } = this
    if (state === this.#told) return
    this.#told = state
    this.#emit('store-state', error === undefined ? { state } : { state, error })
  }
}
