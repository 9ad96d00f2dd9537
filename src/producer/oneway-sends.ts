/** Sends that nobody waits for: counted until they are stored, and told of when they fail. */
import { MQError } from '../model/errors.ts'

export class OnewaySends {
  readonly #onError: (error: MQError) => void
  #outstandingCount = 0
  #failedCount = 0
  #onDone: (() => void) | undefined

  constructor(onError: (error: MQError) => void) {
    this.#onError = onError
  }

  /** Sends that are not stored yet. */
  get outstandingCount(): number {
    return this.#outstandingCount
  }

  /** Sends that failed. */
  get failedCount(): number {
    return this.#failedCount
  }

  /** Sees to what becomes of this send. */
  add(sending: Promise<unknown>): void {
    this.#outstandingCount += 1
    sending.then(this.#onSent, this.#onFailed)
  }

  /** Resolves when all are stored or have failed. */
  async done(): Promise<void> {
    if (this.#outstandingCount === 0) return
    await new Promise<void>((resolve) => {
      this.#onDone = resolve
    })
  }

  readonly #onSent = (): void => {
    this.#outstandingCount -= 1
    if (this.#outstandingCount === 0) this.#onDone?.()
  }

  readonly #onFailed = (error: unknown): void => {
    this.#failedCount += 1
    this.#onError(MQError.from(error))
    this.#onSent()
  }
}
