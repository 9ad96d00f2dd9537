/**
 * Dead letters: copies of messages that a group could not consume (semantics sections 1.8 and 9.2). Their topic is created
 * when the first one appears, with one queue; queries see them, applications only if the permission lets them.
 */
import type { MessageView } from '../model/message.ts'
import { PropertyName } from '../model/properties.ts'
import { deadLetterTopicOf, type Permission } from '../model/topic.ts'
import type { Change } from '../store/change.ts'
import { RECONSUME_TIMES_MAX } from '../store/record-format.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import { copyMessage } from './copy-message.ts'
import type { Topics } from './topics.ts'

/** Characters of the reason that a dead letter keeps. */
const REASON_MAX_LENGTH = 1024
/** Stored properties hold no control characters. */
const CONTROL_CHARACTERS = /\p{Cc}+/gu

/** A dead letter that is not stored yet. */
export interface DeadLetterPlan {
  readonly append: NonNullable<Change['appends']>[number]
  readonly reconsumeTimes: number
  readonly announce: () => void
}

export class DeadLetters {
  readonly #store: Store
  readonly #topics: Topics
  readonly #announcer: Announcer
  readonly #permission: Permission

  constructor(store: Store, topics: Topics, announcer: Announcer, permission: Permission) {
    this.#store = store
    this.#topics = topics
    this.#announcer = announcer
    this.#permission = permission
  }

  /** Stores the dead letter of a message; answers how often the group failed to consume it. */
  async add(group: string, message: MessageView, reason: string): Promise<number> {
    const { append, announce, reconsumeTimes } = await this.plan(group, message, reason)
    await this.#store.commit({ appends: [append] })
    announce()
    return reconsumeTimes
  }

  /** Makes sure of the topic; the dead letter is stored by whoever appends it, and announced then. */
  async plan(
    group: string,
    message: MessageView,
    reason: string,
    failureCount = message.reconsumeTimes + 1,
  ): Promise<DeadLetterPlan> {
    // As many as a record can say, so that the event and the dead letter agree.
    const reconsumeTimes = Math.min(failureCount, RECONSUME_TIMES_MAX)
    const topic = deadLetterTopicOf(group)
    await this.#topics.ensure({ topic, readQueueNums: 1, writeQueueNums: 1, permission: this.#permission })

    const properties = { [PropertyName.DEAD_LETTER_REASON]: legalReason(reason) }
    const copy = copyMessage(message, { topic, reconsumeTimes, properties })
    const { topic: origin, messageId } = message
    const event = { group, topic: origin, messageId, deadLetterTopic: topic, reconsumeTimes, reason }
    return {
      reconsumeTimes,
      append: { log: this.#topics.logOfId(topic, 0), messages: copy },
      announce: () => this.#announcer.emit('dead-letter', event),
    }
  }
}

function legalReason(reason: string): string {
  const text = reason.replace(CONTROL_CHARACTERS, ' ').slice(0, REASON_MAX_LENGTH).toWellFormed().trim()
  return text === '' ? 'unknown' : text
}
