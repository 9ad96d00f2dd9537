/** One group name for consumers that work in different ways. */
import { defineRule, type SeenConsumer } from './rule.ts'

export const consumerKindMismatch = defineRule({
  code: 'CONSUMER_KIND_MISMATCH',
  severity: 'breaks',
  title: 'One group has clustering and broadcasting, push and pull, or orderly and concurrent members.',
  explanation:
    'The last heartbeat decides for the whole group. A broadcasting or pulling member takes a share of the queues away from ' +
    'the others; a concurrent one does not respect the locks of orderly ones, and their order is lost.',
  advice: 'Give every kind of consumer a group of its own.',
  reference: 'ConsumerGroupInfo#updateSubscription, RebalanceLockManager',
  refuses: true,
  watch: (report) => ({
    consumerJoins(consumer, others) {
      const other = others.find((each) => !isSameKind(each, consumer))
      if (other === undefined) return
      const { group, clientId } = consumer.registration
      report({
        subject: group,
        group,
        message:
          `'${clientId}' of the group '${group}' is a ${inWords(consumer)} consumer, ` +
          `'${other.registration.clientId}' a ${inWords(other)} one.`,
      })
    },
  }),
})

function isSameKind(a: SeenConsumer, b: SeenConsumer): boolean {
  return (
    a.registration.messageModel === b.registration.messageModel &&
    a.registration.consumeType === b.registration.consumeType &&
    (a.settings === undefined || b.settings === undefined || a.settings.mode === b.settings.mode)
  )
}

function inWords({ registration, settings }: SeenConsumer): string {
  const { messageModel, consumeType } = registration
  return [messageModel, settings?.mode, consumeType].filter((word) => word !== undefined).join(' ')
}
