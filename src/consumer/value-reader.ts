/**
 * The values of the messages that an application asked for. A schema may answer later, or never: after a while, and when the consumer
 * closes, messages are handed out without the values that are missing, since they are taken by then and must not get lost.
 */
import { type CheckedValue, unanswered } from '../model/check-value.ts'
import type { Clock } from '../model/clock.ts'
import type { PoppedMessage } from '../model/engine.ts'
import { SCHEMA_TIMEOUT_MS } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import { ReceivedMessage } from './received-message.ts'
import { receivedWithValue, type TopicValues, withValue } from './topic-values.ts'

type Answer = CheckedValue | undefined

export class ValueReader {
  readonly #values: TopicValues | undefined
  readonly #clock: Clock
  /** Ends the waits under way. */
  readonly #cuts = new Set<() => void>()
  #isEnded = false

  /** Without typed topics nothing is read. */
  constructor(values: TopicValues | undefined, clock: Clock) {
    this.#values = values
    this.#clock = clock
  }

  /** Messages as the type of their consumer says: with values, if it has typed topics. Reading one that is refused throws. */
  give<Received extends MessageView>(
    messages: readonly MessageView[],
  ): readonly Received[] | Promise<readonly Received[]> {
    if (this.#values === undefined) return messages as readonly Received[]
    return this.#give(this.#values, messages) as Promise<readonly Received[]>
  }

  /** The same for what a simple consumer receives. */
  async received(popped: readonly PoppedMessage[]): Promise<readonly ReceivedMessage[]> {
    const values = this.#values
    if (values === undefined) return popped.map((each) => new ReceivedMessage(each))
    const answers = await this.#settle(popped.map(({ message }) => values.check(message)))
    return popped.map((each, i) => receivedWithValue(each, answers[i]))
  }

  /** Waits for no schema any more. */
  end(): void {
    this.#isEnded = true
    for (const cut of this.#cuts) cut()
  }

  async #give(values: TopicValues, messages: readonly MessageView[]): Promise<readonly MessageView[]> {
    const answers = await this.#settle(messages.map((message) => values.check(message)))
    return Object.freeze(messages.map((message, i) => withValue(message, answers[i])))
  }

  /** What the schemas say; of those that take too long, that they do. */
  #settle(
    checks: readonly (Answer | Promise<CheckedValue>)[],
  ): readonly Answer[] | Promise<readonly Answer[]> {
    if (!checks.some((check) => check instanceof Promise)) return checks as readonly Answer[]
    const answers: Answer[] = checks.map((check) => (check instanceof Promise ? unanswered() : check))
    if (this.#isEnded) return answers
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        this.#cuts.delete(end)
        resolve([...answers])
      }
      const timer = this.#clock.setTimer(SCHEMA_TIMEOUT_MS, end)
      this.#cuts.add(end)
      const reading = checks.map(async (check, i) => {
        answers[i] = await check
      })
      void Promise.all(reading).then(end)
    })
  }
}
