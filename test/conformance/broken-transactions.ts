/** Engines that are broken for transactions. */
import type { Engine } from '../../src/model/engine.ts'
import type {
  HalfSendRequest,
  TransactionCheck,
  TransactionVerbs,
} from '../../src/model/transaction-verbs.ts'
import { overlay } from '../../src/testing/layer.ts'

/** What is wrong, the chapter that must notice, a rule of it that must fail, and the verbs that do something else. */
type BrokenEngine = readonly [
  what: string,
  chapter: string,
  rule: string,
  breakage: (next: Engine) => Partial<Engine>,
]

function broken(
  next: Engine,
  verbs: (transactions: TransactionVerbs) => Partial<TransactionVerbs>,
): Partial<Engine> {
  const transactions = next.transactions!
  return { transactions: overlay(transactions, verbs(transactions)) }
}

/** Halves are stored otherwise. */
const halvesAs = (change: (request: HalfSendRequest) => HalfSendRequest) => (next: Engine) =>
  broken(next, (verbs) => ({ sendHalfMessage: (request) => verbs.sendHalfMessage(change(request)) }))

/** Checkers are heard otherwise. */
const checksAs = (change: (check: TransactionCheck) => TransactionCheck) => (next: Engine) =>
  broken(next, (verbs) => ({
    answerChecks: (group, clientId, check) => verbs.answerChecks(group, clientId, change(check)),
  }))

/** Remembers each half, and does something more when it is ended. */
const withEnds =
  (onEnd: (next: Engine, half: HalfSendRequest, endCount: number) => Promise<unknown>) => (next: Engine) =>
    broken(next, (verbs) => {
      const halves = new Map<string, { readonly request: HalfSendRequest; endCount: number }>()
      return {
        sendHalfMessage: async (request) => {
          const receipt = await verbs.sendHalfMessage(request)
          halves.set(receipt.transactionId, { request, endCount: 0 })
          return receipt
        },
        endTransaction: async (id, group, resolution) => {
          await verbs.endTransaction(id, group, resolution)
          const half = halves.get(id)
          if (half !== undefined) await onEnd(next, half.request, half.endCount++)
        },
      }
    })

/** Keeps halves nowhere but in memory. */
function inMemory(next: Engine): Partial<Engine> {
  return broken(next, (verbs) => {
    const halves = new Map<string, HalfSendRequest>()
    return {
      sendHalfMessage: async (request) => {
        const receipt = await verbs.sendHalfMessage(request)
        await verbs.endTransaction(receipt.transactionId, request.producerGroup, 'ROLLBACK')
        halves.set(receipt.transactionId, request)
        return receipt
      },
      endTransaction: async (id, _, resolution) => {
        const half = halves.get(id)
        if (half !== undefined && resolution === 'COMMIT') await next.sendMessage(half)
      },
    }
  })
}

/** Asks all producers of a group. */
function askingAll(next: Engine): Partial<Engine> {
  return broken(next, (verbs) => {
    const all = new Set<TransactionCheck>()
    return {
      answerChecks: (group, clientId, check) => {
        all.add(check)
        return verbs.answerChecks(group, clientId, async (message, id) => {
          const [first] = await Promise.all([...all].map((each) => each(message, id)))
          return first!
        })
      },
    }
  })
}

/** The check with this number is answered by COMMIT, without asking. */
const committingAt = (number: number): ((next: Engine) => Partial<Engine>) =>
  checksAs((check) => {
    let count = 0
    return async (message, id) => (++count === number ? 'COMMIT' : check(message, id))
  })

const ENDS = 'Transactions'
const CHECKS = 'Checks of transactions'

export const BROKEN_TRANSACTIONS: readonly BrokenEngine[] = [
  [
    'shows halves at once',
    ENDS,
    'A half is delivered to no listener',
    (next) =>
      broken(next, (verbs) => ({
        sendHalfMessage: async (request) => {
          await next.sendMessage(request)
          return verbs.sendHalfMessage(request)
        },
      })),
  ],
  [
    'drops what is committed',
    ENDS,
    'A commit delivers the message',
    (next) =>
      broken(next, (verbs) => ({
        endTransaction: (id, group) => verbs.endTransaction(id, group, 'ROLLBACK'),
      })),
  ],
  [
    'forgets the born time of a half',
    ENDS,
    'What is committed is what was sent, under the same id',
    halvesAs((request) => ({ ...request, messages: { ...request.messages, bornTimestamp: 1 } })),
  ],
  [
    'appends a second copy at a second commit, as RocketMQ does',
    ENDS,
    'A second commit changes nothing',
    withEnds(async (next, half, endCount) => (endCount > 0 ? next.sendMessage(half) : undefined)),
  ],
  [
    'delivers what is rolled back',
    ENDS,
    'What is rolled back is never delivered',
    withEnds((next, half) => next.sendMessage(half)),
  ],
  [
    'answers every end with success, as a one-way call does',
    ENDS,
    'A commit after a rollback is refused',
    (next) =>
      broken(next, (verbs) => ({
        endTransaction: (...parameters) => verbs.endTransaction(...parameters).catch(() => undefined),
      })),
  ],
  [
    'lets every group end every transaction',
    ENDS,
    'Another producer group cannot end it',
    (next) =>
      broken(next, (verbs) => ({ endTransaction: (id, _, end) => verbs.endTransaction(id, 'pay', end) })),
  ],
  [
    'takes UNKNOWN for a rollback',
    ENDS,
    'UNKNOWN changes nothing',
    (next) =>
      broken(next, (verbs) => ({
        endTransaction: (id, group, end) =>
          verbs.endTransaction(id, group, end === 'UNKNOWN' ? 'ROLLBACK' : end),
      })),
  ],
  [
    'never asks',
    CHECKS,
    'The first check comes within a round behind them',
    (next) => broken(next, () => ({ answerChecks: () => () => undefined })),
  ],
  [
    'asks at once',
    CHECKS,
    'Nobody is asked in the first 6 s',
    (next) =>
      broken(next, (verbs) => {
        const checks: TransactionCheck[] = []
        return {
          answerChecks: (group, clientId, check) => {
            checks.push(check)
            return verbs.answerChecks(group, clientId, check)
          },
          sendHalfMessage: async (request) => {
            const receipt = await verbs.sendHalfMessage(request)
            const message = { messageId: receipt.messageId } as never
            next.clock.setTimer(1000, () => void checks[0]?.(message, receipt.transactionId))
            return receipt
          },
        }
      }),
  ],
  [
    'takes UNKNOWN for a commit',
    CHECKS,
    'A checker that answers UNKNOWN is asked again',
    checksAs((check) => async (message, id) => {
      const answer = await check(message, id)
      return answer === 'UNKNOWN' ? 'COMMIT' : answer
    }),
  ],
  [
    'commits when nobody answers',
    CHECKS,
    'A checker that never answers is asked again',
    checksAs((check) => async (message, id) => {
      void check(message, id)
      return 'COMMIT'
    }),
  ],
  [
    'asks all producers of a group',
    CHECKS,
    'One producer of the group is asked at a time, by turns',
    askingAll,
  ],
  [
    'asks producers of any group',
    CHECKS,
    'A producer of another group is not asked',
    (next) =>
      broken(next, (verbs) => ({
        answerChecks: (_, clientId, check) => verbs.answerChecks('pay', clientId, check),
      })),
  ],
  ['gives up a check too early', CHECKS, 'It is asked 15 times', committingAt(15)],
  ['commits at the last check', CHECKS, 'What nobody knows about is delivered to nobody', committingAt(15)],
  ['keeps halves in memory only', CHECKS, 'A half survives a restart, and is asked about', inMemory],
]
