/** Where faults act: before the engine's verbs, and around the calls of listeners. */

import type { ClockScope } from '../clock-scope.ts'
import { aroundVerbs, ENGINE_VERBS, type EngineVerb, subjectOf, type VerbCall } from '../engine-verbs.ts'
import type { CallListener, ListenerCall, TestLayer } from '../layer.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { hasSucceeded } from './deliveries.ts'
import type { RuledFault } from './rule.ts'
import { isSend, ownBodies, type VerbAct } from './verb-acts.ts'

interface VerbFault {
  readonly fault: RuledFault
  readonly verbs: readonly EngineVerb[]
  readonly act: VerbAct
  /** Whether it concerns a call of one of them. */
  readonly concerns: (call: VerbCall) => boolean
}

/** Acts when a listener is to be called, or when it has succeeded; `next` calls it, once more in the second case. */
export type CallAct = (next: CallListener, call: ListenerCall) => ReturnType<CallListener>

/** When it is about to be called, or when it has succeeded with all messages. */
export type CallMoment = 'called' | 'succeeded'

interface CallFault {
  readonly fault: RuledFault
  readonly when: CallMoment
  readonly act: CallAct
}

export class FaultPoints {
  readonly #clock: VirtualClock
  /** Ends with the life that it is for: nothing that was held up then happens in the next one. */
  #scope: ClockScope
  #verbFaults: readonly VerbFault[] = []
  #callFaults: readonly CallFault[] = []
  /** Sends wait for it: the store learns what the disk is like now. */
  #looking: Promise<void> | undefined

  constructor(clock: VirtualClock) {
    this.#clock = clock
    this.#scope = clock.scope(true)
  }

  addToVerbs(
    fault: RuledFault,
    verbs: readonly EngineVerb[],
    act: VerbAct,
    concerns: (call: VerbCall) => boolean = () => true,
  ): void {
    this.#verbFaults = [...this.#verbFaults, { fault, verbs, act, concerns }]
  }

  addToCalls(fault: RuledFault, when: CallMoment, act: CallAct): void {
    this.#callFaults = [...this.#callFaults, { fault, when, act }]
  }

  /** Faults were removed. */
  update(): void {
    this.#verbFaults = this.#verbFaults.filter(({ fault }) => !fault.isRemoved)
    this.#callFaults = this.#callFaults.filter(({ fault }) => !fault.isRemoved)
  }

  /** Lets no send through before the store has looked at the disk. */
  waitFor(looking: Promise<void>): void {
    const done = looking
      .catch(() => undefined)
      .finally(() => {
        if (this.#looking === done) this.#looking = undefined
      })
    this.#looking = done
  }

  later(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#scope.setTimer(delayMs, resolve))
  }

  layer(onRefused: (error: unknown) => void): TestLayer {
    return {
      engine: (next) => {
        this.#scope.end()
        this.#scope = this.#clock.scope(true)
        return aroundVerbs(next, ENGINE_VERBS, (call) => this.#onVerb(call, onRefused))
      },
      listener: (next) => (call) => this.#onCall(next, call),
    }
  }

  #onVerb(call: VerbCall, onRefused: (error: unknown) => void): unknown {
    if (this.#verbFaults.length === 0 && this.#looking === undefined) return this.#proceed(call, onRefused)
    const subject = subjectOf(call)
    const acting = this.#verbFaults.filter(
      ({ fault, verbs, concerns }) => verbs.includes(call.verb) && concerns(call) && fault.chooses(subject),
    )
    const isHeldUp = isSend(call) && this.#looking !== undefined
    if (acting.length === 0 && !isHeldUp) return this.#proceed(call, onRefused)
    ownBodies(call)
    const first = async (): Promise<unknown> => {
      if (isHeldUp) await this.#looking
      return this.#proceed(call, onRefused)
    }
    return acting.reduceRight<() => Promise<unknown>>(
      (next, { fault, act }) =>
        async () => {
          fault.hit()
          return act({ verb: call.verb, parameters: call.parameters, proceed: next })
        },
      first,
    )()
  }

  /** What the engine refuses for want of room is the work of a fault too. */
  #proceed(call: VerbCall, onRefused: (error: unknown) => void): unknown {
    const answer = call.proceed()
    if (isSend(call) && answer instanceof Promise) answer.catch(onRefused)
    return answer
  }

  async #onCall(next: CallListener, call: ListenerCall): ReturnType<CallListener> {
    const listen = this.#chosen(call, 'called').reduceRight<CallListener>(
      (inner, { fault, act }) =>
        (each) => {
          fault.hit()
          return act(inner, each)
        },
      next,
    )
    let answer = await listen(call)
    if (!hasSucceeded(call, answer)) return answer
    for (const { fault, act } of this.#chosen(call, 'succeeded')) {
      fault.hit()
      answer = await act(next, call)
    }
    return answer
  }

  #chosen({ messages, group }: ListenerCall, when: CallMoment): readonly CallFault[] {
    const topic = messages[0]?.topic
    return this.#callFaults.filter((each) => each.when === when && each.fault.chooses({ topic, group }))
  }
}
