/** A subscription to a topic that never came into being. */
import { defineRule } from './rule.ts'

export const subscribedTopicMissing = defineRule({
  code: 'SUBSCRIBED_TOPIC_MISSING',
  severity: 'note',
  title: 'A consumer subscribed to a topic that did not exist when it left.',
  explanation:
    'Consumers never create topics. A 4.x client waits for it in silence, and gets its queues up to 50 s after it appears; ' +
    'a 5.x client may refuse to start.',
  advice: 'Check the spelling of the topic, and see that it is created before its consumers start.',
  reference: 'RebalanceImpl#rebalanceByTopic',
  refuses: false,
  watch: (report) => ({
    consumerLeft({ registration: { group } }, missing) {
      for (const topic of missing) {
        const message = `The group '${group}' subscribed to '${topic}', which does not exist.`
        report({ subject: `${group} ${topic}`, group, topic, message })
      }
    },
  }),
})
