/** Members of one group that subscribe to different things: what RocketMQ's users stumble over most. */
import { sameSubscriptions } from '../../broker/same-subscriptions.ts'
import type { ConsumerRegistration } from '../../model/engine.ts'
import type { MessageFilter } from '../../model/subscription.ts'
import { isRetryTopic } from '../../model/topic.ts'
import { defineRule } from './rule.ts'

export const subscriptionMismatch = defineRule({
  code: 'SUBSCRIPTION_MISMATCH',
  severity: 'breaks',
  title: 'Members of one group subscribe to different topics or tags.',
  explanation:
    'A broker keeps one subscription per group and topic, that of the last heartbeat, and shares queues among all members ' +
    'whatever they want. Messages of the other members are dropped as filtered, or stay in queues that nobody consumes.',
  advice:
    'Give all members the same subscriptions, or give those that want something else a group of their own.',
  reference: 'ConsumerManager#registerConsumer; apache/rocketmq#2836, #2954, #5473',
  refuses: true,
  watch: (report) => ({
    consumerJoins({ registration }, others) {
      const wanted = ownSubscriptions(registration)
      const other = others.find((each) => !sameSubscriptions(wanted, ownSubscriptions(each.registration)))
      if (other === undefined) return
      const { group, clientId } = registration
      report({
        subject: group,
        group,
        message:
          `'${clientId}' of the group '${group}' subscribes to ${inWords(wanted)}, ` +
          `'${other.registration.clientId}' to ${inWords(ownSubscriptions(other.registration))}.`,
      })
    },
  }),
})

/** The retry topic comes by itself, and not to every kind of consumer. */
function ownSubscriptions({ subscriptions }: ConsumerRegistration): ReadonlyMap<string, MessageFilter> {
  return new Map([...subscriptions].filter(([topic]) => !isRetryTopic(topic)))
}

function inWords(subscriptions: ReadonlyMap<string, MessageFilter>): string {
  const parts = [...subscriptions].map(([topic, { expression }]) => `'${topic}' with '${expression}'`)
  return parts.length === 0 ? 'nothing' : parts.toSorted().join(', ')
}
