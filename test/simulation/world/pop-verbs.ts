/** Tells what simple consumers ask of the engine, and what they are answered. */
import type { Engine, PopReceipt, PopVerbs } from '../../../src/model/engine.ts'
import { overlay } from '../../../src/testing/layer.ts'
import type { PoppedCopy, SettleCall } from '../consumer-events.ts'
import { copyOf } from './copies.ts'
import { refusalOf } from './refusal.ts'
import type { VerbWatch } from './verbs.ts'

export function popVerbs(next: Engine, watch: VerbWatch): Partial<Engine> {
  const { pop } = next
  if (pop === undefined) return {}
  return {
    pop: overlay<PopVerbs>(pop, {
      ...receiveVerbs(pop, watch),
      ...settleVerbs(pop, watch),
    } satisfies Partial<PopVerbs>),
  }
}

function receiveVerbs(pop: PopVerbs, watch: VerbWatch): Partial<PopVerbs> {
  return {
    popMessage: async (request) => {
      const { group, invisibleDurationMs: invisibleMs } = request
      const id = watch.nextId()
      watch.tell({ type: 'popping', id, group, invisibleMs })
      try {
        const messages = await pop.popMessage(request)
        const popped = messages.map(
          ({ message, receiptHandle, deliveryAttempt, nextVisibleTimestamp }): PoppedCopy => ({
            copy: copyOf(message),
            handle: receiptHandle,
            attempt: deliveryAttempt,
            visibleTimestamp: nextVisibleTimestamp,
          }),
        )
        watch.tell({ type: 'popped', id, group, popped })
        return messages
      } catch (error) {
        watch.tell({ type: 'pop-failed', id, group, refusal: refusalOf(error) })
        throw error
      }
    },
  }
}

function settleVerbs(pop: PopVerbs, watch: VerbWatch): Partial<PopVerbs> {
  const settle = async <Answer>(
    call: Omit<SettleCall, 'id'>,
    ask: () => Promise<Answer>,
    outcomeOf: (answer: Answer) => { refused: readonly string[]; receipt?: PopReceipt },
  ): Promise<Answer> => {
    const settle: SettleCall = { id: watch.nextId(), ...call }
    watch.tell({ type: 'settling', settle })
    try {
      const answer = await ask()
      const { refused, receipt } = outcomeOf(answer)
      watch.tell({ type: 'settled', settle, refused, receipt: receipt && receiptOf(receipt) })
      return answer
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.code === 'INVALID_RECEIPT_HANDLE')
        watch.tell({ type: 'settled', settle, refused: settle.handles, receipt: undefined })
      else watch.tell({ type: 'settle-failed', settle, refusal })
      throw error
    }
  }
  return {
    ackMessages: (group, handles) =>
      settle(
        { group, how: 'ack', handles, invisibleMs: 0 },
        () => pop.ackMessages(group, handles),
        (refused) => ({ refused: refused.map(({ receiptHandle }) => receiptHandle) }),
      ),
    changeInvisibleDuration: (group, handle, invisibleMs) =>
      settle(
        { group, how: 'change', handles: [handle], invisibleMs },
        () => pop.changeInvisibleDuration(group, handle, invisibleMs),
        (receipt) => ({ refused: [], receipt }),
      ),
    nackMessage: (group, handle) =>
      settle(
        { group, how: 'nack', handles: [handle], invisibleMs: 0 },
        () => pop.nackMessage(group, handle),
        (receipt) => ({ refused: [], receipt }),
      ),
  }
}

function receiptOf({ receiptHandle: handle, nextVisibleTimestamp: visibleTimestamp }: PopReceipt) {
  return { handle, visibleTimestamp }
}
