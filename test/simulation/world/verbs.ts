/** Stands right before the engine and tells which verbs the clients use, and what they are answered. */
import type { Engine } from '../../../src/model/engine.ts'
import type { TestLayer } from '../../../src/testing/layer.ts'
import type { SendCall, SimEvent } from '../events.ts'
import { consumptionVerbs } from './consumption-verbs.ts'
import { queueNameOf } from './copies.ts'
import { popVerbs } from './pop-verbs.ts'
import { refusalOf } from './refusal.ts'
import { requestVerbs } from './request-verbs.ts'

export interface VerbWatch {
  /** Takes an event, unless the machine stands still. */
  tell(event: SimEvent): void
  nextId(): number
  /** The send of a message. */
  sendOf(number: number): SendCall | undefined
}

export function verbObserver(watch: VerbWatch): TestLayer {
  return {
    engine: (next) => ({
      ...consumptionVerbs(next, watch),
      ...popVerbs(next, watch),
      ...leaseVerbs(next, watch),
      ...operationVerbs(next, watch),
      ...requestVerbs(next, watch),
    }),
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
