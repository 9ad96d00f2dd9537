/** A topic that carries messages of two types. */

import type { OutgoingMessage } from '../../model/outgoing-message.ts'
import { PropertyName } from '../../model/properties.ts'
import { propertyOf } from './message-facts.ts'
import { defineRule, type MessageType, type SeenSend } from './rule.ts'

/** What operators send goes to the brokers past the check. */
const TOOLS = 'TOOLS_PRODUCER'

export const messageTypeMismatch = defineRule({
  code: 'MESSAGE_TYPE_MISMATCH',
  severity: 'breaks',
  title: 'Messages of two types, such as NORMAL and DELAY, go to one topic.',
  explanation:
    'A topic of RocketMQ 5 has one message type, and the proxy refuses every other: "TopicMessageType validate failed". The ' +
    'types are TRANSACTION, DELAY, FIFO (with a message group), PRIORITY and NORMAL; the first that applies counts.',
  advice: 'Use a topic for each type, and create it with that message.type.',
  reference:
    'DefaultTopicMessageTypeValidator#validate, TopicMessageType; rocketmq-spring#665, apache/rocketmq#9595',
  refuses: true,
  watch: (report) => {
    const types = new Map<string, MessageType>()
    return {
      sends(send) {
        const { topic, messages, producerGroup } = send
        if (producerGroup === TOOLS) return
        for (const message of messages) {
          const type = typeOf(send, message)
          const known = types.get(topic) ?? type
          types.set(topic, known)
          if (known === type) continue
          const text = `The topic '${topic}' has carried ${known} messages, and gets one of type ${type}.`
          report({ subject: topic, topic, message: text })
          return
        }
      },
    }
  },
})

/** RocketMQ's derivation (`TopicMessageType#parseFromMessageProperty`). */
function typeOf({ way }: SeenSend, message: OutgoingMessage): MessageType {
  if (way !== 'NORMAL') return way
  if (propertyOf(message, PropertyName.MESSAGE_GROUP) !== undefined) return 'FIFO'
  return propertyOf(message, PropertyName.PRIORITY) === undefined ? 'NORMAL' : 'PRIORITY'
}
