/** Calls of listeners that run, and whether their answers still count: not after their time, nor after a close gave up. */
import type { Call, SimEvent, Stamp } from '../events.ts'
import type { Profile } from './profile.ts'

interface Running {
  readonly call: Call
  readonly startedMs: number
}

export class CallBook {
  readonly #closeTimeouts: ReadonlyMap<string, number>
  readonly #running = new Map<number, Running>()
  /** When members began to leave. */
  readonly #leaving = new Map<string, number>()
  /** Members that are complete; one that is still joining when the instance closes is closed later. */
  readonly #joined = new Set<string>()

  constructor({ groups }: Profile) {
    this.#closeTimeouts = new Map(groups.map(({ name, closeTimeoutMs }) => [name, closeTimeoutMs]))
  }

  observe(event: SimEvent, { elapsedMs }: Stamp): void {
    switch (event.type) {
      case 'calling':
        this.#running.set(event.call.id, { call: event.call, startedMs: elapsedMs })
        return
      case 'answered':
        this.#running.delete(event.call.id)
        return
      case 'joining':
        // A broadcasting member comes back under its name; what it was at work on when it was given up counts no more.
        this.#leaving.delete(event.member)
        for (const [id, { call }] of this.#running) if (call.member === event.member) this.#running.delete(id)
        return
      case 'joined':
        this.#joined.add(event.member)
        return
      case 'leaving':
        this.#leaving.set(event.member, elapsedMs)
        return
      case 'closing':
        for (const member of this.#joined)
          if (!this.#leaving.has(member)) this.#leaving.set(member, elapsedMs)
        return
      case 'opened':
        this.#running.clear()
        this.#leaving.clear()
        this.#joined.clear()
    }
  }

  /** Whether an answer now would count; in the very moment in which its time is over it may. */
  mayCount(call: Call, nowMs: number): boolean {
    const running = this.#running.get(call.id)
    return running !== undefined && this.#isAlive(running, nowMs - 1)
  }

  /** Calls of a group whose answers would count for sure. */
  alive(group: string, nowMs: number): Call[] {
    return [...this.#running.values()]
      .filter((running) => running.call.group === group && this.#isAlive(running, nowMs))
      .map(({ call }) => call)
  }

  /** Whether a member of the group was given up while it closed. */
  hasGivenUp(group: string, member: string, nowMs: number): boolean {
    const sinceMs = this.#leaving.get(member) ?? Infinity
    return nowMs - sinceMs >= (this.#closeTimeouts.get(group) ?? 0)
  }

  #isAlive({ call, startedMs }: Running, nowMs: number): boolean {
    return nowMs - startedMs < call.timeoutMs && !this.hasGivenUp(call.group, call.member, nowMs)
  }
}
