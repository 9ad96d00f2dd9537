/**
 * Listeners are called late, some of them twice, and their answers are on their way for a while: so deliveries of different
 * queues, and those of one queue that run at the same time, come in many orders. A queue that is consumed in order stays in
 * order, since its next message waits for this answer.
 */
import { callAgain, hasSucceeded } from '../fault/deliveries.ts'
import type { CallListener, ListenerCall, TestLayer } from '../layer.ts'
import type { ScheduleDice } from './dice.ts'

const LONGEST_TURNS = 6
const DUPLICATE_SHARE = 1 / 8

export function lateDeliveries(dice: ScheduleDice): TestLayer {
  return { listener: (next) => (call) => deliver(dice, next, call) }
}

async function deliver(dice: ScheduleDice, next: CallListener, call: ListenerCall) {
  await dice.pause(LONGEST_TURNS)
  try {
    const answer = await next(call)
    if (!hasSucceeded(call, answer) || !dice.chance(DUPLICATE_SHARE)) return answer
    dice.note(
      `${call.group}: delivered ${call.messages.map(({ messageId }) => messageId).join(', ')} once more`,
    )
    await dice.pause(LONGEST_TURNS)
    return await callAgain(next, call)
  } finally {
    await dice.pause(LONGEST_TURNS)
  }
}
