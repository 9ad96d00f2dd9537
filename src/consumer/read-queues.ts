/** The queues of a topic, as members of a group share them. */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { compareQueues, type MessageQueue } from '../model/message-queue.ts'
import type { TopicRoute } from '../model/results.ts'

/** Sorted; none while the topic does not exist, for consumers never create topics. `onRoute` hears of one that does. */
export async function readQueuesOf(
  engine: Engine,
  topic: string,
  onRoute?: (route: TopicRoute) => void,
): Promise<readonly MessageQueue[]> {
  try {
    const route = await engine.queryRoute(topic)
    onRoute?.(route)
    return route.readQueues.toSorted(compareQueues)
  } catch (error) {
    if (error instanceof MQError && error.code === 'TOPIC_NOT_EXIST') return []
    throw error
  }
}
