/**
 * The queues that a producer may send to, topic by topic (RocketMQ `TopicPublishInfo`). Routes are kept until the
 * engine says that they changed. Sends that wait for the same route go on in the order in which they were made.
 */
import { type RandomSource, randomBelow } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { invalidParameter } from '../model/errors.ts'
import type { Message } from '../model/message.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import {
  checkTakesMessages,
  choosableQueues,
  queueOfMessageGroup,
  queueOfPriority,
  type SendRoute,
  takingQueues,
} from '../model/queue-choice.ts'
import type { TopicRoute } from '../model/results.ts'
import { checkNotSystemTopic } from '../model/topic.ts'

/** Refuses a message, or a batch, that not every topic takes. */
export type RouteCheck = (route: SendRoute) => void

/** The queues of one topic, of which at least one takes messages. */
export class PublishRoute {
  readonly #route: TopicRoute
  readonly #taking: readonly MessageQueue[]
  readonly #isOfPriorities: boolean
  #next: number

  /** Refuses a topic that takes no messages. */
  constructor(route: TopicRoute, random: RandomSource) {
    this.#route = route
    this.#taking = takingQueues(route)
    this.#isOfPriorities = route.priority === true
    this.#next = randomBelow(random, this.#taking.length)
  }

  /** What selectors choose from. */
  get choosable(): readonly MessageQueue[] {
    return choosableQueues(this.#route)
  }

  /** The queue of a message when nothing else is said about that: of its group, of its priority, or else queues take turns. */
  queueFor(message: Pick<Message, 'messageGroup' | 'priority'>): MessageQueue {
    const { messageGroup } = message
    if (messageGroup !== undefined) return queueOfMessageGroup(this.#route, messageGroup)
    return this.#isOfPriorities ? queueOfPriority(this.#route, message.priority) : this.#nextQueue()
  }

  #nextQueue(): MessageQueue {
    const index = this.#next
    this.#next = index + 1 === this.#taking.length ? 0 : index + 1
    return this.#taking[index]!
  }

  /** Refuses what this topic does not take. */
  check(check: RouteCheck | undefined): void {
    check?.(this.#route)
  }

  /** Refuses what a selector must not choose, or what takes no messages. */
  checkSelected(queue: MessageQueue): void {
    if (!this.choosable.includes(queue))
      throw invalidParameter('The queue selector must return one of the queues that it is given.')
    checkTakesMessages(this.#route, queue)
  }

  /** The queue of this route that equals the given one; refuses others. */
  find(wanted: MessageQueue): MessageQueue {
    const key = queueKey(wanted)
    const queue = this.#route.writeQueues.find((candidate) => queueKey(candidate) === key)
    if (queue === undefined) throw invalidParameter(`The queue ${key} does not exist or takes no messages.`)
    return queue
  }
}

/** A question to the engine that is not answered yet. */
interface Loading {
  readonly route: Promise<PublishRoute>
  /** The route changed while the answer was on its way: use it for those who wait, but do not keep it. */
  stale: boolean
}

export class PublishRoutes {
  readonly #engine: Engine
  readonly #routes = new Map<string, PublishRoute>()
  readonly #loading = new Map<string, Loading>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** The route of a topic; at once when it is known. */
  get(topic: string): PublishRoute | Promise<PublishRoute> {
    return this.#routes.get(topic) ?? this.#loading.get(topic)?.route ?? this.#load(topic)
  }

  /** The route of this topic changed: ask again at the next send. */
  forget(topic: string): void {
    this.#routes.delete(topic)
    const loading = this.#loading.get(topic)
    if (loading !== undefined) loading.stale = true
  }

  #load(topic: string): PublishRoute | Promise<PublishRoute> {
    checkNotSystemTopic(topic)
    const answer = this.#engine.publishRoute(topic)
    if (!(answer instanceof Promise)) return this.#keep(topic, this.#toPublishRoute(answer))
    const loading: Loading = { route: answer.then((route) => this.#toPublishRoute(route)), stale: false }
    this.#loading.set(topic, loading)
    // The first reaction to the promise: the route is kept before any waiting send goes on, so none is overtaken.
    loading.route.then(
      (route) => {
        this.#loading.delete(topic)
        if (!loading.stale) this.#keep(topic, route)
      },
      () => this.#loading.delete(topic),
    )
    return loading.route
  }

  #keep(topic: string, route: PublishRoute): PublishRoute {
    this.#routes.set(topic, route)
    return route
  }

  #toPublishRoute(route: TopicRoute): PublishRoute {
    return new PublishRoute(route, this.#engine.random)
  }
}
