/** More members than queues. */
import { defineRule } from './rule.ts'

export const surplusConsumers = defineRule({
  code: 'SURPLUS_CONSUMERS',
  severity: 'note',
  title: 'A group has more members than the largest of its topics has queues.',
  explanation: 'A queue has one consumer at a time, so the members that are left over get nothing.',
  advice: 'Give the topic more queues, or start fewer members; concurrency within a member needs no queues.',
  reference: 'AllocateMessageQueueAveragely#allocate',
  refuses: false,
  watch: (report) => ({
    groupSpread(group, memberCount, queueCount) {
      if (memberCount <= queueCount) return
      const message = `The group '${group}' has ${memberCount} members, and its largest topic ${queueCount} queues.`
      report({ subject: group, group, message })
    },
  }),
})
