/** Answers of the engine come late, so that those of different calls overtake each other. */
import { aroundVerbs, type EngineVerb } from '../engine-verbs.ts'
import type { TestLayer } from '../layer.ts'
import type { ScheduleDice } from './dice.ts'

/** Calls reach the engine in their order: what is sent to one queue is stored in the order in which it was sent. */
const LATE_VERBS: readonly EngineVerb[] = [
  'sendMessage',
  'sendHalfMessage',
  'sendDelayedMessage',
  'endTransaction',
  'recallMessage',
  'sendReply',
  'pullMessage',
  'popMessage',
  'ackMessage',
  'ackMessages',
  'changeInvisibleDuration',
  'nackMessage',
  'sendMessageBack',
  'queryConsumerOffset',
  'updateConsumerOffset',
  'queryAttempts',
  'updateAttempts',
  'registerConsumer',
  'queryConsumerIds',
  'lockQueues',
  'unlockQueues',
]

const LONGEST_TURNS = 3

export function lateAnswers(dice: ScheduleDice): TestLayer {
  return {
    engine: (next) =>
      aroundVerbs(next, LATE_VERBS, async (call) => {
        try {
          return await call.proceed()
        } finally {
          await dice.pause(LONGEST_TURNS)
        }
      }),
  }
}
