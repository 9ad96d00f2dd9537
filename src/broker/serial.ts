/**
 * Runs acts one after another, so that each sees what the one before it made. Changes of topics and groups go through
 * one: of a thousand concurrent first sends the first creates the topic, and the others find it.
 */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs an act when all earlier ones have ended, whether well or not. */
  run<Result>(act: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(act)
    this.#last = result.catch(() => undefined)
    return result
  }
}
