/** Bodies that are still legal, but will not be for long. */
import { MESSAGE_MAX_BYTES } from '../../model/limits.ts'
import { defineRule } from './rule.ts'

/** From this share of the limit on a body counts as near to it. */
const NEAR_LIMIT_SHARE = 0.75

export const bodyNearLimit = defineRule({
  code: 'BODY_NEAR_LIMIT',
  severity: 'risky',
  title: `A body has ${NEAR_LIMIT_SHARE * 100} % of the limit of 4 MiB, or more.`,
  explanation:
    'maxMessageSize is a setting of every producer and every broker, and may be lower; and a body that is near the limit today ' +
    'is refused with MESSAGE_ILLEGAL when it has grown a little more.',
  advice: 'Store the content elsewhere and send a reference to it, or split or compress it.',
  reference: 'Validators#checkMessage, MessageStoreConfig#maxMessageSize',
  refuses: true,
  watch: (report) => ({
    sends({ topic, messages }) {
      // The limit is for what is sent, however small it becomes.
      const sent = messages.map((message) => message.uncompressed ?? message)
      const large = sent.find(({ bodyBytes }) => bodyBytes >= MESSAGE_MAX_BYTES * NEAR_LIMIT_SHARE)
      if (large === undefined) return
      const message = `A body for '${topic}' has ${large.bodyBytes} of ${MESSAGE_MAX_BYTES} bytes.`
      report({ subject: topic, topic, message })
    },
  }),
})
