/** What brokers can do and have switched off. */
import { defineRule, type Found } from './rule.ts'

export const brokerSettingNeeded = defineRule({
  code: 'BROKER_SETTING_NEEDED',
  severity: 'note',
  title: 'A message is recalled, or a subscription is an SQL expression.',
  explanation:
    'Both are switched off by default. Without enablePropertyFilter a consumer with an SQL expression does not start; without ' +
    'recallMessageEnable a recall fails with NO_PERMISSION.',
  advice: 'Switch the setting on in the configuration of every broker.',
  reference: 'BrokerConfig#enablePropertyFilter, #recallMessageEnable',
  refuses: false,
  watch: (report) => ({
    recalls(topic) {
      report(
        needs('recallMessageEnable', `A message of '${topic}' is recalled, which needs recallMessageEnable.`),
      )
    },
    consumerJoins({ registration: { group, subscriptions } }) {
      const usesSql = [...subscriptions.values()].some(({ type }) => type === 'SQL92')
      if (!usesSql) return
      report(
        needs(
          'enablePropertyFilter',
          `The group '${group}' filters by SQL, which needs enablePropertyFilter.`,
        ),
      )
    },
  }),
})

function needs(subject: string, message: string): Found {
  return { subject, message }
}
