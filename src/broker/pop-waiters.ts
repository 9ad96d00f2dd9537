/**
 * Receives that wait. Nothing polls: whoever appends to a topic, or leaves a queue, wakes those that wait for it in the
 * same turn, one of each group and in the order they came, as one takes what there is for it and wakes the next when it leaves.
 *
 * A receive looks, and then sleeps if nothing has happened since it began to look; so no message falls in between.
 */
import type { Clock } from '../model/clock.ts'
import type { PopRequest } from '../model/engine.ts'
import { popRetryTopicOf } from '../model/topic.ts'
import { Deadlines } from './deadlines.ts'

/** Something that receives wait for. */
interface Bell {
  /** How often it rang. */
  count: number
  /** Those that hear it, in the order they came. */
  readonly hearers: Set<WaitingPop>
}

/** A receive that is under way. */
export class WaitingPop {
  readonly request: PopRequest
  /** It found somebody else in a queue, so it waits for that one to leave, whatever its own time. */
  isHeldUp = false
  hasWaited = false
  readonly #bells: readonly Bell[]
  #isOver = false
  #wake: (() => void) | undefined

  constructor(request: PopRequest, bells: readonly Bell[]) {
    this.request = request
    this.#bells = bells
    for (const { hearers } of bells) hearers.add(this)
  }

  /** Its time is up, or its caller gave up. */
  get isOver(): boolean {
    const { awaitDurationMs, signal } = this.request
    return this.#isOver || awaitDurationMs <= 0 || signal?.aborted === true
  }

  /** A number that changes when one of its bells rings. */
  get rings(): number {
    let count = 0
    for (const bell of this.#bells) count += bell.count
    return count
  }

  get isAsleep(): boolean {
    return this.#wake !== undefined
  }

  sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  readonly end = (): void => {
    this.#isOver = true
    this.wake()
  }

  /** It waits for nothing more. */
  leave(): void {
    for (const { hearers } of this.#bells) hearers.delete(this)
  }
}

export class PopWaiters {
  readonly #deadlines: Deadlines<WaitingPop>
  /** By topic, and by the retry topic of a group and a topic, which stands for the two of them. */
  readonly #bells = new Map<string, Bell>()

  constructor(clock: Clock) {
    this.#deadlines = new Deadlines(clock, (pop) => pop.end())
  }

  begin(request: PopRequest): WaitingPop {
    const bells: Bell[] = []
    for (const topic of request.subscriptions.keys())
      bells.push(this.#bell(topic), this.#bell(popRetryTopicOf(request.group, topic)))
    return new WaitingPop(request, bells)
  }

  /** Sleeps until there may be something, or the time is up; a receive that finds something at once never waits. */
  async sleep(pop: WaitingPop): Promise<void> {
    const { signal, awaitDurationMs } = pop.request
    if (!pop.isOver && !pop.hasWaited) {
      pop.hasWaited = true
      this.#deadlines.add(pop, awaitDurationMs)
      signal?.addEventListener('abort', pop.end)
    }
    await pop.sleep()
  }

  finish(pop: WaitingPop): void {
    pop.leave()
    if (!pop.hasWaited) return
    this.#deadlines.delete(pop, pop.request.awaitDurationMs)
    pop.request.signal?.removeEventListener('abort', pop.end)
  }

  /** Messages were appended to a topic: of each group that waits, somebody looks. */
  ringTopic(topic: string): void {
    const bell = this.#bells.get(topic)
    if (bell === undefined) return
    bell.count += 1
    const groups = new Set<string>()
    for (const pop of bell.hearers) {
      if (!pop.isAsleep || groups.has(pop.request.group)) continue
      groups.add(pop.request.group)
      pop.wake()
    }
  }

  /** Somebody of the group has left queues of the topic: who was held up looks again, and one more. */
  ringGroup(group: string, topic: string): void {
    const bell = this.#bells.get(popRetryTopicOf(group, topic))
    if (bell === undefined) return
    bell.count += 1
    let isFirst = true
    for (const pop of bell.hearers) {
      if (!pop.isAsleep) continue
      if (isFirst || pop.isHeldUp) pop.wake()
      isFirst = false
    }
  }

  /** Everybody looks again: settings changed, or it is the end. */
  ringAll(): void {
    for (const bell of this.#bells.values()) {
      bell.count += 1
      for (const pop of bell.hearers) pop.wake()
    }
  }

  close(): void {
    this.#deadlines.close()
    this.ringAll()
  }

  #bell(topic: string): Bell {
    const known = this.#bells.get(topic)
    if (known !== undefined) return known
    const bell = { count: 0, hearers: new Set<WaitingPop>() }
    this.#bells.set(topic, bell)
    return bell
  }
}
