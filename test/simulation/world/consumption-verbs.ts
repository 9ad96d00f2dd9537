/** Tells what consumers ask of the engine for their queues, and what they are answered: pulls, offsets, attempts, send-backs. */
import type { Engine, SendBackRequest } from '../../../src/model/engine.ts'
import type { SendBackResult } from '../../../src/model/results.ts'
import type { AttemptsCall } from '../consumer-events.ts'
import type { OffsetCommit, SendBackCall } from '../events.ts'
import { copyOf, queueNameOf } from './copies.ts'
import { refusalOf } from './refusal.ts'
import type { VerbWatch } from './verbs.ts'

export function consumptionVerbs(next: Engine, watch: VerbWatch): Partial<Engine> {
  return {
    pullMessage: async (request) => {
      const result = await next.pullMessage(request)
      // Whoever finds nothing asks again and again.
      if (result.status === 'NO_NEW_MSG' && result.nextBeginOffset === request.offset) return result
      watch.tell({
        type: 'pulled',
        group: request.group,
        queue: queueNameOf(request.queue),
        from: request.offset,
        status: result.status,
        nextOffset: result.nextBeginOffset,
        minOffset: result.minOffset,
        offsets: result.messages.map(({ queueOffset }) => queueOffset),
      })
      return result
    },
    minOffset: async (queue) => {
      const minOffset = await next.minOffset(queue)
      if (minOffset > 0) watch.tell({ type: 'measured', queue: queueNameOf(queue), minOffset })
      return minOffset
    },
    updateConsumerOffset: async (...update) => {
      const [group, messageQueue, offset, mayGoBack = false, member] = update
      const queue = queueNameOf(messageQueue)
      const commit: OffsetCommit = { id: watch.nextId(), group, member, queue, offset, mayGoBack }
      watch.tell({ type: 'committing', ...commit })
      try {
        await next.updateConsumerOffset(...update)
      } catch (error) {
        watch.tell({ type: 'commit-failed', ...commit, refusal: refusalOf(error) })
        throw error
      }
      watch.tell({ type: 'committed', ...commit })
    },
    updateAttempts: async (...update) => {
      const [group, messageQueue, said, member] = update
      const queue = queueNameOf(messageQueue)
      const calls = said.map(({ queueOffset: offset, reconsumeTimes }): AttemptsCall => {
        return { id: watch.nextId(), group, member, queue, offset, reconsumeTimes }
      })
      for (const attempts of calls) watch.tell({ type: 'counting-attempts', attempts })
      try {
        await next.updateAttempts(...update)
      } catch (error) {
        const refusal = refusalOf(error)
        for (const attempts of calls) watch.tell({ type: 'count-failed', attempts, refusal })
        throw error
      }
      for (const attempts of calls) watch.tell({ type: 'counted-attempts', attempts })
    },
    sendMessageBack: (request) => sendBack(next, watch, request),
  }
}

async function sendBack(next: Engine, watch: VerbWatch, request: SendBackRequest): Promise<SendBackResult> {
  const { group, message, delayLevel, maxReconsumeTimes } = request
  const back: SendBackCall = {
    id: watch.nextId(),
    group,
    copy: copyOf(message),
    delayLevel,
    maxReconsumeTimes,
  }
  watch.tell({ type: 'sending-back', back })
  try {
    const result = await next.sendMessageBack(request)
    const dueTimestamp = result.outcome === 'retry' ? result.dueTimestamp : undefined
    const { outcome, reconsumeTimes } = result
    watch.tell({ type: 'sent-back', back, outcome, reconsumeTimes, dueTimestamp })
    return result
  } catch (error) {
    watch.tell({ type: 'send-back-failed', back, refusal: refusalOf(error) })
    throw error
  }
}
