/**
 * Receives that wait. Nothing polls: whoever appends to a topic, or leaves a queue, wakes those that wait for it in the
 * same turn, one of each group and in the order they came, as one takes what there is for it and wakes the next when it leaves.
 * So the work is in proportion to what is received, however many wait.
 *
 * A receive looks, and then sleeps if nothing has happened since it began to look; so no message falls in between. Whoever
 * was woken and then does not look everywhere, or found a queue that others wait for empty, wakes the next in its place.
 */
import type { Clock } from '../model/clock.ts'
import type { PopRequest } from '../model/engine.ts'
import { popRetryTopicOf } from '../model/topic.ts'
import { Deadlines } from './deadlines.ts'
import { Sleepers } from './sleepers.ts'

/** What the receives of a group wait for: a topic, and its retries. */
interface Bell {
  readonly group: string
  readonly topic: string
  readonly retryTopic: string
  /** How often it rang. */
  count: number
  /** How many receives hear it, asleep or awake. */
  hearerCount: number
  readonly sleepers: Sleepers<WaitingPop>
  /** Those of them that found somebody else in a queue. */
  readonly heldUp: Sleepers<WaitingPop>
}

/** A receive that is under way. */
export class WaitingPop {
  readonly request: PopRequest
  readonly number: number
  readonly bells: readonly Bell[]
  /** Topics where it found somebody else in a queue; it waits for that one to leave, also when it is not to wait for messages. */
  heldUpAt: string[] = []
  /** Whether that is so at the topic where it looks now. */
  isHeldUp = false
  hasWaited = false
  #isOver = false
  #wake: (() => void) | undefined

  constructor(request: PopRequest, number: number, bells: readonly Bell[]) {
    this.request = request
    this.number = number
    this.bells = bells
  }

  /** Its time is up. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Its caller gave up. */
  get isAborted(): boolean {
    return this.request.signal?.aborted === true
  }

  /** Whether there is something that it may sleep for. */
  get mayWait(): boolean {
    return !this.#isOver && (this.heldUpAt.length > 0 || this.request.awaitDurationMs > 0)
  }

  /** A number that changes when one of its bells rings. */
  get rings(): number {
    let count = 0
    for (const bell of this.bells) count += bell.count
    return count
  }

  sleep(): Promise<void> {
    for (const { topic, sleepers, heldUp } of this.bells) {
      sleepers.add(this)
      if (this.heldUpAt.includes(topic)) heldUp.add(this)
    }
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  wake(): void {
    if (this.#wake === undefined) return
    for (const { sleepers, heldUp } of this.bells) {
      sleepers.delete(this)
      heldUp.delete(this)
    }
    this.#wake()
    this.#wake = undefined
  }

  end(): void {
    this.#isOver = true
    this.wake()
  }

  readonly onAbort = (): void => this.wake()
}

export class PopWaiters {
  readonly #deadlines: Deadlines<WaitingPop>
  /** By topic and group, as long as somebody hears them. */
  readonly #byTopic = new Map<string, Map<string, Bell>>()
  readonly #byRetryTopic = new Map<string, Bell>()
  #lastNumber = 0

  constructor(clock: Clock) {
    this.#deadlines = new Deadlines(clock, (pop) => pop.end())
  }

  /** How many topics receives under way are about, for each of their groups. */
  get bellCount(): number {
    return this.#byRetryTopic.size
  }

  begin(request: PopRequest): WaitingPop {
    const bells = [...request.subscriptions.keys()].map((topic) => this.#bell(request.group, topic))
    for (const bell of bells) bell.hearerCount += 1
    this.#lastNumber += 1
    return new WaitingPop(request, this.#lastNumber, bells)
  }

  /** Sleeps until there may be something, or the time is up; a receive that finds something at once never waits. */
  async sleep(pop: WaitingPop): Promise<void> {
    const { signal, awaitDurationMs } = pop.request
    if (!pop.hasWaited) {
      pop.hasWaited = true
      if (awaitDurationMs > 0) this.#deadlines.add(pop, awaitDurationMs)
      signal?.addEventListener('abort', pop.onAbort)
    }
    await pop.sleep()
  }

  /** The receive waits for nothing more. */
  finish(pop: WaitingPop): void {
    for (const bell of pop.bells) {
      bell.hearerCount -= 1
      // Topics may be waited for that never exist.
      if (bell.hearerCount === 0) this.#remove(bell)
    }
    if (!pop.hasWaited) return
    this.#deadlines.delete(pop, pop.request.awaitDurationMs)
    pop.request.signal?.removeEventListener('abort', pop.onAbort)
  }

  /** Messages were appended to a topic: of each group that waits, somebody looks. */
  ringTopic(topic: string): void {
    for (const bell of this.#byTopic.get(topic)?.values() ?? []) ring(bell)
    const ofRetries = this.#byRetryTopic.get(topic)
    if (ofRetries !== undefined) ring(ofRetries)
  }

  /** Somebody of the group has left this many queues of the topic: as many that were held up look again, and one more. */
  ringGroup(group: string, topic: string, queueCount = 1): void {
    const bell = this.#byTopic.get(topic)?.get(group)
    if (bell === undefined) return
    ring(bell)
    for (let i = 0; i < queueCount; i++) bell.heldUp.first?.wake()
  }

  /** This one may have been woken for something that it does not look at any more, except at this topic: others do. */
  passOn({ request, hasWaited }: WaitingPop, except?: string): void {
    if (!hasWaited) return
    for (const topic of request.subscriptions.keys()) {
      if (topic !== except) this.ringGroup(request.group, topic)
    }
  }

  /** This one was held up at a topic, and then there was nothing to take: the next one sees for itself. */
  passBy({ request }: WaitingPop, topic: string): void {
    this.#byTopic.get(topic)?.get(request.group)?.heldUp.first?.wake()
  }

  /** Everybody looks again: settings changed, or it is the end. */
  ringAll(): void {
    for (const bell of this.#byRetryTopic.values()) {
      bell.count += 1
      for (const pop of bell.sleepers.all()) pop.wake()
    }
  }

  close(): void {
    this.#deadlines.close()
    this.ringAll()
  }

  #bell(group: string, topic: string): Bell {
    const ofTopic = this.#byTopic.get(topic) ?? new Map<string, Bell>()
    const known = ofTopic.get(group)
    if (known !== undefined) return known
    const bell = {
      group,
      topic,
      retryTopic: popRetryTopicOf(group, topic),
      count: 0,
      hearerCount: 0,
      sleepers: new Sleepers<WaitingPop>(),
      heldUp: new Sleepers<WaitingPop>(),
    }
    this.#byTopic.set(topic, ofTopic.set(group, bell))
    this.#byRetryTopic.set(bell.retryTopic, bell)
    return bell
  }

  #remove({ group, topic, retryTopic }: Bell): void {
    this.#byRetryTopic.delete(retryTopic)
    const ofTopic = this.#byTopic.get(topic)
    ofTopic?.delete(group)
    if (ofTopic?.size === 0) this.#byTopic.delete(topic)
  }
}

/** Who came first looks. */
function ring(bell: Bell): void {
  bell.count += 1
  bell.sleepers.first?.wake()
}
