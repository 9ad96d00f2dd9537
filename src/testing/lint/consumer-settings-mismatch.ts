/** Members of one group that would treat the same message differently. */
import { type ConsumerSettings, defineRule } from './rule.ts'

export const consumerSettingsMismatch = defineRule({
  code: 'CONSUMER_SETTINGS_MISMATCH',
  severity: 'risky',
  title: 'Members of one group differ in allocateStrategy, consumeFromWhere or maxReconsumeTimes.',
  explanation:
    'Every member decides for itself. With two strategies queues are consumed twice or not at all; otherwise it depends on ' +
    'who happens to get a queue where it begins, and after how many failures a message becomes a dead letter.',
  advice: 'Give all members of the group the same settings.',
  reference: 'RebalanceImpl#rebalanceByTopic, ConsumeMessageConcurrentlyService#sendMessageBack',
  refuses: true,
  watch: (report) => ({
    consumerJoins({ registration, settings }, others) {
      if (settings === undefined) return
      const { group, clientId } = registration
      for (const other of others) {
        const difference = other.settings && differenceOf(settings, other.settings)
        if (difference === undefined) continue
        const [name, mine, theirs] = difference
        const message = `'${clientId}' of the group '${group}' has ${name} ${mine}, '${other.registration.clientId}' has ${theirs}.`
        report({ subject: `${group} ${name}`, group, message })
        return
      }
    },
  }),
})

type Difference = readonly [name: string, mine: string | number, theirs: string | number]

function differenceOf(mine: ConsumerSettings, theirs: ConsumerSettings): Difference | undefined {
  const pairs: readonly Difference[] = [
    ['allocateStrategy', mine.allocateStrategy.name, theirs.allocateStrategy.name],
    ['consumeFromWhere', mine.consumeFromWhere, theirs.consumeFromWhere],
    ['maxReconsumeTimes', mine.maxReconsumeTimes, theirs.maxReconsumeTimes],
  ]
  return pairs.find(([, a, b]) => a !== b)
}
