/**
 * Says which messages wait for their time. All that are asked for in one turn are looked for together: nothing names them there but their
 * time, and among a million one look takes seconds.
 */
import { delayVerbsOf } from '../model/delay-verbs.ts'
import type { Engine } from '../model/engine.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'

/** What is asked of one topic. */
interface Question {
  readonly messageIds: Set<string>
  begin: number
  end: number
  /** Those that wait. */
  readonly answer: Promise<ReadonlySet<string>>
}

export class WaitingMessages {
  readonly #engine: Engine
  /** By topic: what is not asked yet. */
  readonly #questions = new Map<string, Question>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Whether it waits. */
  async has(message: OutgoingMessage): Promise<boolean> {
    const { topic, messageId, delay } = message
    const id = formatMessageId(messageId)
    // A level counts from the send, of which the clock may have thought anything.
    const due = delay !== undefined && 'deliveryTimestamp' in delay ? delay.deliveryTimestamp : undefined
    const question = this.#questionTo(topic)
    question.messageIds.add(id)
    question.begin = Math.min(question.begin, due ?? 0)
    question.end = Math.max(question.end, due ?? Number.MAX_SAFE_INTEGER)
    return (await question.answer).has(id)
  }

  #questionTo(topic: string): Question {
    const known = this.#questions.get(topic)
    if (known !== undefined) return known
    // By the time that it is asked, all of this turn have come.
    const answer = Promise.resolve().then(() => this.#ask(topic))
    const question = { messageIds: new Set<string>(), begin: Number.MAX_SAFE_INTEGER, end: 0, answer }
    this.#questions.set(topic, question)
    return question
  }

  async #ask(topic: string): Promise<ReadonlySet<string>> {
    const { messageIds, begin, end } = this.#questions.get(topic)!
    this.#questions.delete(topic)
    const known = await this.#engine.queryTopics()
    if (!known.some((config) => config.topic === topic)) return new Set()
    const query = { topic, begin, end, maxCount: messageIds.size, messageIds }
    const waiting = await delayVerbsOf(this.#engine).queryDelayedMessages(query)
    return new Set(waiting.map(({ message }) => message.messageId))
  }
}
