/** Properties that a broker takes, and the proxy in front of it does not. */
import { MESSAGE_GROUP_MAX_BYTES } from '../../model/limits.ts'
import type { OutgoingMessage } from '../../model/outgoing-message.ts'
import { PropertyName } from '../../model/properties.ts'
import { propertyOf } from './message-facts.ts'
import { defineRule } from './rule.ts'

/** The proxy's limits (semantics section 2.6). */
const MAX_COUNT = 128
const MAX_BYTES = 16 * 1024

export const propertiesNotPortable = defineRule({
  code: 'PROPERTIES_NOT_PORTABLE',
  severity: 'breaks',
  title: `A message has more than ${MAX_COUNT} properties, more than 16 KiB of them, or a message group of 64 bytes or more.`,
  explanation:
    'A broker takes 32767 bytes of properties, but the proxy of RocketMQ 5, which all gRPC clients go through, refuses this ' +
    'with MESSAGE_PROPERTIES_TOO_LARGE or ILLEGAL_MESSAGE_GROUP.',
  advice: 'Move what is not filtered by into the body, and keep message groups short.',
  reference: 'SendMessageActivity, GrpcValidator',
  refuses: true,
  watch: (report) => ({
    sends({ topic, messages }) {
      const problem = messages.map(problemOf).find((each) => each !== undefined)
      if (problem !== undefined)
        report({ subject: topic, topic, message: `A message for '${topic}' has ${problem}.` })
    },
  }),
})

function problemOf(message: OutgoingMessage): string | undefined {
  const { properties, tag, keys } = message
  const own = properties.filter(([name]) => name !== PropertyName.MESSAGE_GROUP)
  if (own.length > MAX_COUNT) return `${own.length} properties, at most ${MAX_COUNT} are allowed`
  const bytes = [tag, keys, ...own.flat()].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (bytes > MAX_BYTES) return `${bytes} bytes of properties, tag and keys, at most ${MAX_BYTES} are allowed`
  const groupBytes = Buffer.byteLength(propertyOf(message, PropertyName.MESSAGE_GROUP) ?? '')
  if (groupBytes > MESSAGE_GROUP_MAX_BYTES)
    return `a message group of ${groupBytes} bytes, at most ${MESSAGE_GROUP_MAX_BYTES} are allowed`
  return undefined
}
