/** Queues that the allocation strategy gives to nobody. */
import { defineRule } from './rule.ts'

export const queuesNotAllocated = defineRule({
  code: 'QUEUES_NOT_ALLOCATED',
  severity: 'risky',
  title: 'The allocation strategy of a group gives queues to no member.',
  explanation:
    'Members pull only the queues that the strategy gives them, so messages in the others wait without a sign. A strategy is asked for the retry topic of its group too; if that falls to nobody, no retry is ever delivered.',
  advice:
    'Let the strategy share out every queue of every topic that it is asked for, also of %RETRY% topics.',
  reference: 'RebalanceImpl#rebalanceByTopic, AllocateMessageQueueByConfig',
  refuses: false,
  watch: (report) => ({
    warned({ code, message, group, topic }) {
      if (code !== 'QUEUES_NOT_ALLOCATED' || group === undefined || topic === undefined) return
      report({ subject: `${group} ${topic}`, group, topic, message })
    },
  }),
})
