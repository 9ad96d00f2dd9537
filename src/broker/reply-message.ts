/** A reply as its requester sees it. It is not stored, so it has no place in a queue. */
import type { MessageView } from '../model/message.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { isFieldProperty, PropertyName } from '../model/properties.ts'
import { notReplyable, type ReplyReceipt } from '../model/reply.ts'
import { NO_OFFSET } from '../store/stored-message.ts'

export class ReplyMessage implements MessageView {
  readonly messageId: string
  readonly offsetMessageId = ''
  readonly topic: string
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly messageGroup = undefined
  readonly delayTimeLevel = undefined
  readonly deliveryTimestamp = undefined
  readonly priority = undefined
  readonly body: Buffer
  readonly properties: Readonly<Record<string, string>>
  readonly queue: MessageQueue
  readonly queueOffset = NO_OFFSET
  readonly bornTimestamp: number
  /** When it was passed on, as in RocketMQ. */
  readonly storeTimestamp: number
  readonly reconsumeTimes = 0
  readonly deliveryAttempt = 1
  readonly storeSize = 0
  readonly isRequest = false

  constructor(reply: OutgoingMessage, brokerName: string, timestamp: number) {
    const { topic, tag, keys, body } = reply
    this.messageId = formatMessageId(reply.messageId)
    this.topic = topic
    this.tag = tag === '' ? undefined : tag
    this.keys = keys === '' ? [] : keys.split(' ')
    this.body = Buffer.isBuffer(body) ? body : Buffer.from(body as string)
    this.properties = propertiesOf(reply, String(timestamp))
    this.queue = { topic, brokerName, queueId: 0 }
    this.bornTimestamp = reply.bornTimestamp
    this.storeTimestamp = timestamp
  }

  text(): string {
    return this.body.toString('utf8')
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text())
  }

  async reply(): Promise<ReplyReceipt> {
    throw notReplyable(this)
  }
}

/** Within a process a reply arrives when it is passed on. */
function propertiesOf({ properties }: OutgoingMessage, timestamp: string): Readonly<Record<string, string>> {
  const shown: Record<string, string> = Object.create(null)
  for (const [name, value] of properties) if (!isFieldProperty(name)) shown[name] = value
  shown[PropertyName.PUSH_REPLY_TIME] = timestamp
  shown[PropertyName.ARRIVE_TIME] = timestamp
  return Object.freeze(shown)
}
