/**
 * 23. After a failure no acknowledgement: once a flush of the journal failed, nothing that is asked for afterwards is
 * acknowledged before the store is opened again.
 */
import type { SimEvent, Stamp } from '../events.ts'
import type { EndCall } from '../transaction-events.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class Failure implements Checker {
  readonly #host: CheckerHost
  #failed: Stamp | undefined
  /** What was asked for after the failure. */
  readonly #late = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, stamp: Stamp): void {
    switch (event.type) {
      case 'opened':
        this.#failed = undefined
        this.#late.clear()
        return
      case 'flush-failed':
        // One of a store that is being opened fails the opening.
        if (stamp.life === this.#host.model.lives.current.life) this.#failed ??= stamp
        return
      case 'sending':
        this.#ask(`send ${event.send.id}`, stamp)
        return
      case 'committing':
        this.#ask(`commit ${event.id}`, stamp)
        return
      case 'sending-back':
        this.#ask(`send-back ${event.back.id}`, stamp)
        return
      case 'deciding':
        this.#ask(`decision ${event.decision.id}`, stamp)
        return
      case 'decided':
        this.#checkAnswer(`decision ${event.decision.id}`)
        return
      case 'half-sending':
        this.#ask(`half ${event.transaction.number}`, stamp)
        return
      case 'half-stored':
        this.#checkAnswer(`half ${event.transaction.number}`)
        return
      case 'ending':
        this.#askEnd(event.ending, stamp)
        return
      case 'ended':
        this.#checkAnswer(`end ${event.ending.id}`)
        return
      case 'settling':
        this.#ask(`settlement ${event.settle.id}`, stamp)
        return
      case 'counting-attempts':
        this.#ask(`count ${event.attempts.id}`, stamp)
        return
      case 'settled':
        if (event.refused.length < event.settle.handles.length)
          this.#checkAnswer(`settlement ${event.settle.id}`)
        return
      case 'counted-attempts':
        this.#checkAnswer(`count ${event.attempts.id}`)
        return
      case 'stored':
        this.#checkAnswer(`send ${event.send.id}`)
        return
      case 'committed':
        this.#checkAnswer(`commit ${event.id}`)
        return
      case 'sent-back':
        this.#checkAnswer(`send-back ${event.back.id}`)
        return
    }
  }

  /** To end it once more in the same way, as a check may have before, changes nothing and needs no store. */
  #askEnd({ id, number, end }: EndCall, stamp: Stamp): void {
    if (this.#host.model.transactions.get(number)?.asked[end] === 1) this.#ask(`end ${id}`, stamp)
  }

  #ask(what: string, { step, elapsedMs }: Stamp): void {
    if (this.#failed === undefined) return
    // In the very turn of the failure the store may not have heard of it.
    if (elapsedMs > this.#failed.elapsedMs || step > this.#failed.step + 1) this.#late.add(what)
  }

  #checkAnswer(what: string): void {
    if (this.#late.has(what)) this.#host.violate(23, `${what} was acknowledged after a flush had failed`)
  }
}
