/**
 * Keeps the process running while somebody needs it. Timers of the clock never do, and an embedded queue has no socket, so
 * a program that only waits for messages would end at once.
 */

export class KeepAlive {
  readonly #enabled: boolean
  readonly #holders = new Set<object>()
  #channel: InstanceType<typeof MessageChannel> | undefined

  constructor(enabled: boolean) {
    this.#enabled = enabled
  }

  hold(holder: object): void {
    this.#holders.add(holder)
    if (!this.#enabled || this.#channel !== undefined) return
    this.#channel = new MessageChannel()
    this.#channel.port1.on('message', () => undefined)
  }

  release(holder: object): void {
    this.#holders.delete(holder)
    if (this.#holders.size > 0) return
    this.#channel?.port1.close()
    this.#channel = undefined
  }
}
