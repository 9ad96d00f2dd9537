/**
 * 2. No invention: every message that anybody gets to see was sent, and is as it was sent: body, tag, keys, message
 * group, properties, born time, and one id for all its copies, which is no other message's unless their senders gave it. Retries and dead
 * letters add properties of their own, and only those. The same goes for what waits for its time.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  deadLetterTopicOf,
  popRetryTopicOf,
  retryTopicOf,
  TRANSACTION_CHECK_TOPIC,
} from '../../../src/model/topic.ts'
import { type Copy, deliveryIn, placeOf, type SimEvent } from '../events.ts'
import type { SentMessage } from '../model/sends.ts'
import type { Checker, CheckerHost } from './checker.ts'

const ADDED_PROPERTIES = ['RETRY_TOPIC', 'ORIGIN_MESSAGE_ID', 'DLQ_REASON']
/** Of a transaction that was given up. */
const GIVEN_UP_PROPERTIES = ['REAL_TOPIC', 'REAL_QID', 'TRANSACTION_CHECK_TIMES']

export class Invention implements Checker {
  readonly #host: CheckerHost
  readonly #ids = new Map<number, string>()
  readonly #numbers = new Map<string, number>()
  readonly #retryTopics: ReadonlySet<string>
  readonly #deadLetterTopics: ReadonlySet<string>

  constructor(host: CheckerHost) {
    this.#host = host
    const names = host.profile.groups.map(({ name }) => name)
    const topics = host.profile.topics.map(({ name }) => name)
    const popRetryTopics = names.flatMap((name) => topics.map((topic) => popRetryTopicOf(name, topic)))
    this.#retryTopics = new Set([...names.map(retryTopicOf), ...popRetryTopics])
    this.#deadLetterTopics = new Set(names.map(deadLetterTopicOf))
  }

  observe(event: SimEvent): void {
    for (const copy of deliveryIn(event)?.copies ?? []) this.#check(copy)
    switch (event.type) {
      case 'scanned':
        for (const { copies } of event.scan.queues) for (const copy of copies) this.#check(copy)
        for (const { copy } of event.scan.waiting) this.#check(copy)
        return
      case 'checking':
        this.#check(event.check.copy)
        return
      case 'half-stored':
        this.#checkId(event.transaction.number, event.half.messageId, 'the receipt of its half')
        return
      case 'stored':
        event.send.numbers.forEach((number, index) => {
          this.#checkId(number, event.receipt.messageIds[index] ?? 'none', `receipt ${event.send.id}`)
        })
    }
  }

  #check(copy: Copy): void {
    const message = this.#host.model.message(copy.number)
    const place = placeOf(copy)
    if (message === undefined) {
      this.#host.violate(2, `${place} has the body '${copy.body.slice(0, 40)}', which nobody sent`)
      return
    }
    const difference = this.#differenceOf(copy, message)
    if (difference !== undefined)
      this.#host.violate(2, `${place} is message ${copy.number} with another ${difference}`)
    this.#checkId(copy.number, copy.messageId, place)
  }

  #differenceOf(copy: Copy, message: SentMessage): string | undefined {
    if (copy.body !== message.body) return 'body'
    if (copy.tag !== message.tag) return 'tag'
    if (copy.keys.join(' ') !== message.keys.join(' ')) return 'keys'
    if (copy.messageGroup !== message.messageGroup) return 'message group'
    if (copy.bornTimestamp !== message.bornTimestamp) return 'born time'
    if (!isDeepStrictEqual(copy.delay, message.delay) && !this.#isMovedTo(copy)) return 'delay'
    if (this.#originOf(copy) !== message.topic) return 'topic'
    return sameProperties(copy, message, addedTo(copy, message)) ? undefined : 'properties'
  }

  /** What was moved shows its new time in the place of what it was sent with. */
  #isMovedTo({ number, delay }: Copy): boolean {
    const moves = this.#host.model.delays.get(number)?.moves ?? []
    const { deliveryTimestamp } = delay ?? {}
    if (deliveryTimestamp === undefined) return false
    return moves.some(({ from, to }) => from <= deliveryTimestamp && deliveryTimestamp <= to)
  }

  /** Where it was first sent to, as the copy tells. */
  #originOf({ queue, topic, properties }: Copy): string | undefined {
    if (this.#deadLetterTopics.has(queue.topic)) return properties.RETRY_TOPIC
    if (queue.topic === TRANSACTION_CHECK_TOPIC) return properties.REAL_TOPIC
    return this.#retryTopics.has(queue.topic) || queue.topic === topic ? topic : undefined
  }

  #checkId(number: number, messageId: string, where: string): void {
    const given = this.#host.model.sends.of(number)?.call.messageId
    const known = given ?? this.#ids.get(number) ?? messageId
    const owner = this.#numbers.get(messageId) ?? number
    this.#ids.set(number, known)
    if (given === undefined) this.#numbers.set(messageId, owner)
    if (known !== messageId)
      this.#host.violate(2, `message ${number} has the ids ${known} and ${messageId} (${where})`)
    if (owner !== number) this.#host.violate(2, `messages ${owner} and ${number} have one id (${where})`)
  }
}

/** What may be added to a message where this copy lies. */
function addedTo({ queue: { topic } }: Copy, message: SentMessage): readonly string[] {
  if (topic === TRANSACTION_CHECK_TOPIC) return GIVEN_UP_PROPERTIES
  return topic === message.topic ? [] : ADDED_PROPERTIES
}

function sameProperties({ properties }: Copy, message: SentMessage, addable: readonly string[]): boolean {
  const names = Object.keys(properties)
  const added = names.filter((name) => addable.includes(name))
  const sent = Object.entries(message.properties)
  return (
    names.length === sent.length + added.length && sent.every(([name, value]) => properties[name] === value)
  )
}
