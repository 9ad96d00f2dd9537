/** Listeners that take longer than they may. */
import { defineRule } from './rule.ts'

/** Below this, real time says more about the machine and the test than about the listener. */
const REAL_FLOOR_MS = 1000

export const slowListener = defineRule({
  code: 'SLOW_LISTENER',
  severity: 'risky',
  title:
    'A listener took longer than consumeTimeoutMs, on the virtual clock or, from a second on, in earnest.',
  explanation:
    'When the time is over the message is sent back and delivered again, perhaps to another member, while the first call is ' +
    'still at work: its effects happen twice, and its answer counts no more.',
  advice:
    'Do less in the listener, watch context.signal, or raise consumeTimeoutMs above the longest time that it may take.',
  reference: 'ConsumeMessageConcurrentlyService#cleanExpireMsg',
  refuses: false,
  watch: (report) => ({
    listenerEnded({ call }, { isTimedOut, virtualMs, realMs }) {
      const { group, consumeTimeoutMs, messages } = call
      const isSlow = isTimedOut || virtualMs >= consumeTimeoutMs
      const isReallySlow = realMs >= Math.max(REAL_FLOOR_MS, consumeTimeoutMs)
      if (!isSlow && !isReallySlow) return
      const { topic, messageId } = messages[0]!
      const took = isSlow ? `${Math.round(virtualMs)} ms` : `${Math.round(realMs)} ms of real time`
      const message = `A listener of '${group}' took ${took} for a message of '${topic}'; its consumeTimeoutMs is ${consumeTimeoutMs}.`
      report({ subject: `${group} ${topic}`, group, topic, messageId, message })
    },
  }),
})
