/**
 * What a store can do now, and why not. It moves open -> healing -> open and open -> read-only -> open; a failure and the
 * end are final. The first failure is kept, whatever follows from it.
 */
import { MQError } from '../model/errors.ts'
import type { EmitEvent, StoreState } from '../model/events.ts'

export class StoreStatus {
  readonly #emit: EmitEvent
  #state: StoreState = 'open'
  #failure: MQError | undefined
  #isClosing = false

  constructor(emit: EmitEvent) {
    this.#emit = emit
  }

  get state(): StoreState {
    return this.#state
  }

  get failure(): MQError | undefined {
    return this.#failure
  }

  /** Nothing more is taken: it failed, it is closed, or it is closing. */
  get isOver(): boolean {
    return this.#isClosing || this.#state === 'failed' || this.#state === 'closed'
  }

  /** Why a send is refused, or `undefined` when it is not. */
  refuseSend(): MQError | undefined {
    if (this.isOver) return this.refusal()
    if (this.#state !== 'read-only') return undefined
    const text = 'The disk is nearly full; make room and sends go on.'
    return new MQError('DISK_FULL', text, { outcome: 'not-attempted' })
  }

  /** Why nothing more is taken. */
  refusal(): MQError {
    if (this.#failure !== undefined && !this.#isClosing) return this.#failure
    return new MQError('CLOSED', 'The store is closed; open it again.', { outcome: 'not-attempted' })
  }

  beginClose(): void {
    this.#isClosing = true
  }

  /** Answers whether this is the first failure. */
  fail(error: MQError): boolean {
    if (this.#failure !== undefined) return false
    this.#failure = error
    this.#move('failed', error)
    return true
  }

  close(): void {
    this.#move('closed')
  }

  setHealing(error: MQError): void {
    this.#move('healing', error)
  }

  setHealed(): void {
    if (this.#state === 'healing') this.#move('open')
  }

  setDiskFull(isFull: boolean): void {
    if (isFull && this.#state === 'open') this.#move('read-only')
    if (!isFull && this.#state === 'read-only') this.#move('open')
  }

  #move(state: StoreState, error?: MQError): void {
    const isFinal = this.#state === 'closed' || (this.#state === 'failed' && state !== 'closed')
    if (this.#state === state || isFinal) return
    this.#state = state
    this.#emit('store-state', error === undefined ? { state } : { state, error })
  }
}
