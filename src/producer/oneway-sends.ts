/** Sends that nobody waits for: counted until they are stored, and told of when they fail. */
import { MQError } from '../model/errors.ts'
import type { ProducerHost } from './producer-host.ts'
import type { CompleteProducerOptions } from './producer-options.ts'

export class OnewaySends {
  readonly #host: ProducerHost
  readonly #options: CompleteProducerOptions
  #outstandingCount = 0
  #failedCount = 0
  #onDone: (() => void) | undefined

  constructor(host: ProducerHost, options: CompleteProducerOptions) {
    this.#host = host
    this.#options = options
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

  /** Resolves when all are stored or have failed; when that takes too long, it tells how many are left to chance. */
  async done(): Promise<void> {
    if (this.#outstandingCount === 0) return
    const { clock } = this.#host.engine
    const { closeTimeoutMs } = this.#options
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(closeTimeoutMs, () => {
        this.#tellLeft()
        resolve()
      })
      this.#onDone = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#onDone = undefined
  }

  #tellLeft(): void {
    const { group, closeTimeoutMs } = this.#options
    const text =
      `${this.#outstandingCount} one-way sends of '${group}' are on their way still, ${closeTimeoutMs} ms after it began to close; ` +
      'nobody waits for them any more. Await sends that matter.'
    this.#host.emit('error', new MQError('SEND_TIMEOUT', text, { outcome: 'unknown' }))
  }

  readonly #onSent = (): void => {
    this.#outstandingCount -= 1
    if (this.#outstandingCount === 0) this.#onDone?.()
  }

  readonly #onFailed = (error: unknown): void => {
    this.#failedCount += 1
    this.#host.emit('error', MQError.from(error))
    this.#onSent()
  }
}
