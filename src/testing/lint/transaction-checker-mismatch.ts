/** Producers of one group that would answer a check-back differently. */
import { defineRule } from './rule.ts'

export const transactionCheckerMismatch = defineRule({
  code: 'TRANSACTION_CHECKER_MISMATCH',
  severity: 'breaks',
  title: 'Producers of one group have different transaction checkers, or some have none.',
  explanation:
    'A broker asks any live producer of the group what became of a transaction. One that does not know it answers wrongly, ' +
    'and one without a checker not at all; after 15 questions the message is given up.',
  advice:
    'Give every transactional job a producer group of its own, in which all producers have the same checker.',
  reference: 'AbstractTransactionalMessageCheckListener; rocketmq-spring#391',
  refuses: true,
  watch: (report) => ({
    producerJoins({ group, clientId, transactionChecker }, others) {
      const other = others.find((each) => !isSameChecker(each.transactionChecker, transactionChecker))
      if (other === undefined) return
      const has =
        transactionChecker === undefined
          ? 'no transaction checker, unlike'
          : 'another transaction checker than'
      const message = `The producer '${clientId}' of the group '${group}' has ${has} '${other.clientId}'.`
      report({ subject: group, group, message })
    },
  }),
})

/** A factory makes a new function each time, so equal source counts as the same checker. */
function isSameChecker(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'function' && typeof b === 'function' && String(a) === String(b))
}
