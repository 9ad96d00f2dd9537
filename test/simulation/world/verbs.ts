/** Stands right before the engine and tells which verbs the clients use, and what they are answered. */
import type { Engine, SendBackRequest } from '../../../src/model/engine.ts'
import { MQError } from '../../../src/model/errors.ts'
import type { SendBackResult } from '../../../src/model/results.ts'
import type { TestLayer } from '../../../src/testing/layer.ts'
import type { Refusal, SendBackCall, SimEvent } from '../events.ts'
import { copyOf, queueNameOf } from './copies.ts'

export interface VerbWatch {
  /** Takes an event, unless the machine stands still. */
  tell(event: SimEvent): void
  nextId(): number
}

export function refusalOf(error: unknown): Refusal {
  const { code, outcome, message } = MQError.from(error)
  return { code: error instanceof MQError ? code : undefined, outcome, text: message }
}

export function verbObserver(watch: VerbWatch): TestLayer {
  return {
    engine: (next) => ({
      ...consumptionVerbs(next, watch),
      ...leaseVerbs(next, watch),
      ...operationVerbs(next, watch),
    }),
  }
}

function consumptionVerbs(next: Engine, watch: VerbWatch): Partial<Engine> {
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
      const [group, messageQueue, offset] = update
      const queue = queueNameOf(messageQueue)
      const id = watch.nextId()
      watch.tell({ type: 'committing', id, group, queue, offset })
      try {
        await next.updateConsumerOffset(...update)
      } catch (error) {
        watch.tell({ type: 'commit-failed', id, group, refusal: refusalOf(error) })
        throw error
      }
      watch.tell({ type: 'committed', id, group, queue, offset })
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

function leaseVerbs(next: Engine, watch: VerbWatch): Partial<Engine> {
  return {
    lockQueues: async (group, member, queues) => {
      const held = await next.lockQueues(group, member, queues)
      const granted = held.map(queueNameOf)
      watch.tell({ type: 'locked', group, member, asked: queues.map(queueNameOf), granted })
      return held
    },
    unlockQueues: async (group, member, queues) => {
      watch.tell({ type: 'unlocked', group, member, queues: queues.map(queueNameOf) })
      await next.unlockQueues(group, member, queues)
    },
    unregisterConsumer: async (group, member) => {
      watch.tell({ type: 'unregistered', group, member })
      await next.unregisterConsumer(group, member)
    },
  }
}

function operationVerbs(next: Engine, watch: VerbWatch): Partial<Engine> {
  const changing = async (
    topic: string,
    change: 'put' | 'delete',
    work: () => Promise<void>,
  ): Promise<void> => {
    watch.tell({ type: 'topic-changing', topic, change })
    try {
      await work()
    } catch (error) {
      watch.tell({ type: 'topic-change-failed', topic, change })
      throw error
    }
  }
  return {
    resetConsumerOffset: async (group, topic, offsetMap) => {
      const offsets = [...offsetMap]
      const id = watch.nextId()
      watch.tell({ type: 'resetting', id, group, topic, offsets })
      try {
        await next.resetConsumerOffset(group, topic, offsetMap)
      } catch (error) {
        watch.tell({ type: 'reset-failed', id, group, refusal: refusalOf(error) })
        throw error
      }
      watch.tell({ type: 'reset', id, group, topic, offsets })
    },
    createTopic: async (config) => {
      await changing(config.topic, 'put', () => next.createTopic(config))
      watch.tell({ type: 'topic-changed', topic: config.topic, change: 'put', config: namesOf(config) })
    },
    updateTopic: async (config) => {
      await changing(config.topic, 'put', () => next.updateTopic(config))
      watch.tell({ type: 'topic-changed', topic: config.topic, change: 'put', config: namesOf(config) })
    },
    deleteTopic: async (topic) => {
      await changing(topic, 'delete', () => next.deleteTopic(topic))
      watch.tell({ type: 'topic-changed', topic, change: 'delete' })
    },
  }
}

function namesOf(config: Parameters<Engine['createTopic']>[0]) {
  const { topic, readQueueNums, writeQueueNums } = config
  return { topic, readQueueNums, writeQueueNums }
}
