/** Bounds what all queues of a consumer have fetched together (RocketMQ `pullThresholdForAll`). */
export class FetchBudget {
  readonly #maxCount: number
  readonly #onRoom: () => void

  #count = 0
  /** Somebody was refused, and waits. */
  #isAwaited = false

  /** `onRoom` is called when there is room again for those who found none. */
  constructor(maxCount: number, onRoom: () => void) {
    this.#maxCount = maxCount
    this.#onRoom = onRoom
  }

  /** Whether more may be fetched; who is refused is told when there is room. */
  hasRoom(): boolean {
    if (this.#count < this.#maxCount) return true
    this.#isAwaited = true
    return false
  }

  /** So many more are fetched; below zero, so many fewer. */
  add(count: number): void {
    this.#count += count
    if (!this.#isAwaited || this.#count >= this.#maxCount) return
    this.#isAwaited = false
    this.#onRoom()
  }
}
