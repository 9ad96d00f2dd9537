/** Replies that no client of RocketMQ 5 can give. */
import { defineRule } from './rule.ts'

export const replyBySimpleConsumer = defineRule({
  code: 'REPLY_BY_SIMPLE_CONSUMER',
  severity: 'breaks',
  title: 'A simple consumer replies to a request.',
  explanation:
    'Simple consumers are clients of RocketMQ 5 and go through the proxy, which hands them none of the properties that a reply needs; ' +
    'nor has their API a reply. The requester waits until its time is over.',
  advice: 'Consume requests with a push, lite pull or pull consumer, which are clients of RocketMQ 4.',
  reference: 'GrpcConverter#buildUserAttributes, MessageUtil#createReplyMessage',
  refuses: true,
  watch: (report) => ({
    replies({ group, topic, messageId, members }) {
      if (!members.some(({ registration }) => registration.consumeType === 'pop')) return
      const message = `A simple consumer of the group '${group}' replies to a request of '${topic}'.`
      report({ subject: group, group, topic, messageId, message })
    },
  }),
})
