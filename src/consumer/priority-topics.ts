/** Which of the topics of a consumer are priority topics, and which of their queues goes first. */
import type { TopicRoute } from '../model/results.ts'
import type { ProcessQueue } from './process-queue.ts'

export class PriorityTopics {
  readonly #topics = new Set<string>()

  /** A topic may become one, or stop to be one, at any time. */
  readonly note = ({ topic, priority }: TopicRoute): void => {
    if (priority === true) this.#topics.add(topic)
    else this.#topics.delete(topic)
  }

  /**
   * The queue that goes in the turn of `inTurn`: of a priority topic the highest that waits, which leaves its own place in
   * `ready` to it. So other topics have as many turns as ever.
   */
  takeTurn(ready: ProcessQueue[], inTurn: ProcessQueue): ProcessQueue {
    if (this.#topics.size === 0 || !this.#topics.has(inTurn.queue.topic)) return inTurn
    let place = -1
    let highest = inTurn
    for (const [index, candidate] of ready.entries()) {
      if (candidate.queue.topic !== inTurn.queue.topic) continue
      if (candidate.queue.queueId <= highest.queue.queueId || candidate.waitingCount === 0) continue
      place = index
      highest = candidate
    }
    if (place !== -1) ready[place] = inTurn
    return highest
  }
}
