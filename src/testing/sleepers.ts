/** Who sleeps on a virtual clock: woken by time, or by the end of the instance that the clock belongs to. */
import type { MQError } from '../model/errors.ts'

/** Something that comes to its end without time moving, and that time waits for. */
export interface Hold {
  readonly sinceMs: number
  readonly patienceMs: number
  /** It waits for virtual time itself, so that time does not wait for it. */
  sleepCount: number
}

export class Sleepers {
  readonly #ends = new Set<(error: MQError) => void>()

  /** Resolves when the timer wakes it up; time does not wait for it meanwhile. `onEnd` is called before, however it ends. */
  sleep(holds: Iterable<Hold>, setTimer: (wake: () => void) => unknown, onEnd: () => void): Promise<void> {
    // Nothing tells which listener sleeps; the one that was called last and does not sleep yet is the likeliest.
    const sleeper = [...holds].findLast(
      ({ sleepCount, patienceMs }) => sleepCount === 0 && patienceMs !== Infinity,
    )
    if (sleeper !== undefined) sleeper.sleepCount += 1
    const leave = (): void => {
      if (sleeper !== undefined) sleeper.sleepCount -= 1
      onEnd()
    }
    const sleeping = new Promise<void>((resolve, reject) => {
      const end = (error: MQError): void => {
        leave()
        reject(error)
      }
      this.#ends.add(end)
      setTimer(() => {
        if (!this.#ends.delete(end)) return
        leave()
        resolve()
      })
    })
    // A sleep that nobody waits for may end as it likes.
    sleeping.catch(() => undefined)
    return sleeping
  }

  /** Nobody sleeps on. */
  end(error: MQError): void {
    const ends = [...this.#ends]
    this.#ends.clear()
    for (const end of ends) end(error)
  }
}
