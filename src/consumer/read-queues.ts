/** The queues of a topic, as members of a group share them. */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { compareQueues, type MessageQueue } from '../model/message-queue.ts'

/** Sorted; none while the topic does not exist, for consumers never create topics. */
export async function readQueuesOf(engine: Engine, topic: string): Promise<readonly MessageQueue[]> {
  try {
    const { readQueues } = await engine.queryRoute(topic)
    return readQueues.toSorted(compareQueues)
  } catch (error) {
    if (error instanceof MQError && error.code === 'TOPIC_NOT_EXIST') return []
    throw error
  }
}
