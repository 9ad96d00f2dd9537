/** Messages that are to appear later than a cluster keeps them waiting. */
import { defineRule } from './rule.ts'

/** The proxy's `maxDelayTimeMills`; a broker's own `timerMaxDelaySec` are three days. */
const MAX_DELAY_MS = 86_400_000

export const delayTooLong = defineRule({
  code: 'DELAY_TOO_LONG',
  severity: 'breaks',
  title: 'A message is to be delivered more than a day later.',
  explanation:
    'The proxy of RocketMQ 5 refuses it with ILLEGAL_DELIVERY_TIME unless its maxDelayTimeMills is raised; beyond three days ' +
    'brokers refuse it too.',
  advice:
    'Keep such plans in a database and send when the time comes, or send to yourself in steps of a day.',
  reference: 'SendMessageActivity, MessageStoreConfig#timerMaxDelaySec',
  refuses: true,
  watch: (report) => ({
    sends({ topic, delayMs }) {
      if (delayMs <= MAX_DELAY_MS) return
      const hours = Math.round(delayMs / 3_600_000)
      report({
        subject: topic,
        topic,
        message: `A message for '${topic}' is to be delivered ${hours} hours later.`,
      })
    },
  }),
})
