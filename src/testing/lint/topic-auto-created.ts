/** A topic that exists only since somebody sent to it. */
import { defineRule } from './rule.ts'

export const topicAutoCreated = defineRule({
  code: 'TOPIC_AUTO_CREATED',
  severity: 'note',
  title: 'A topic was created by its first send.',
  explanation:
    'Production clusters switch autoCreateTopicEnable off, and then the send fails with TOPIC_NOT_EXIST. Where it is on, the ' +
    'topic comes to life on the one broker that was sent to.',
  advice:
    'Create the topic on the cluster beforehand; in the test name it in the topics option, or create it with admin.createTopic.',
  reference: 'TopicConfigManager#createTopicInSendMessageMethod, BrokerConfig#autoCreateTopicEnable',
  refuses: false,
  watch: (report) => ({
    topicCreated(topic) {
      report({ subject: topic, topic, message: `The topic '${topic}' was created by its first send.` })
    },
  }),
})
