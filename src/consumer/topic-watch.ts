/** Tells an application when the queues of a topic change (RocketMQ `registerTopicMessageQueueChangeListener`). */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { OwnContext } from '../model/own-context.ts'
import { readQueuesOf } from './read-queues.ts'

/** Is called with all queues that can be read from now on; with none when the topic was deleted. */
export type QueuesChangedListener = (topic: string, queues: readonly MessageQueue[]) => unknown

interface Watch {
  readonly topic: string
  readonly listener: QueuesChangedListener
  readonly context: OwnContext
  /** What the listener knows, as one string. */
  known: string
}

export class TopicWatch {
  readonly #engine: Engine
  readonly #onError: (error: MQError) => void
  readonly #watches = new Set<Watch>()
  /** Looks come one after another, so that a listener hears of changes in their order. */
  #lastLook: Promise<void> = Promise.resolve()

  constructor(engine: Engine, onError: (error: MQError) => void) {
    this.#engine = engine
    this.#onError = onError
  }

  /** Calls the listener at each change from now on, until the returned function is called. */
  add(topic: string, listener: QueuesChangedListener): () => void {
    const watch = { topic, listener, context: new OwnContext(), known: '' }
    const reading = this.#read(topic)
    this.#then(async () => {
      watch.known = keyOf(await reading)
    })
    this.#watches.add(watch)
    return () => this.#watches.delete(watch)
  }

  /** The topic was created, changed or deleted. */
  onRouteChanged(topic: string): void {
    const concerned = [...this.#watches].filter((watch) => watch.topic === topic)
    if (concerned.length === 0) return
    const reading = this.#read(topic)
    this.#then(async () => {
      const queues = await reading
      for (const watch of concerned) this.#tell(watch, queues)
    })
  }

  close(): void {
    this.#watches.clear()
  }

  /** Asks at once, whenever the answer is looked at. */
  #read(topic: string): Promise<readonly MessageQueue[]> {
    const reading = readQueuesOf(this.#engine, topic)
    reading.catch(() => undefined)
    return reading
  }

  #then(look: () => Promise<void>): void {
    this.#lastLook = this.#lastLook.then(look).catch((error) => this.#onError(MQError.from(error)))
  }

  #tell(watch: Watch, queues: readonly MessageQueue[]): void {
    const key = keyOf(queues)
    if (key === watch.known || !this.#watches.has(watch)) return
    watch.known = key
    try {
      const answer = watch.context.run(() => watch.listener(watch.topic, queues))
      if (answer instanceof Promise) answer.catch((error) => this.#onError(MQError.from(error)))
    } catch (error) {
      this.#onError(MQError.from(error))
    }
  }
}

function keyOf(queues: readonly MessageQueue[]): string {
  return queues.map(queueKey).join('\n')
}
