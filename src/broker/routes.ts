/** Builds the route of a topic: the queues that take messages and those that give them, in RocketMQ's order. */
import type { TopicRoute } from '../model/results.ts'
import { Permission } from '../model/topic.ts'
import type { TopicEntry } from '../store/catalog.ts'

/** The route of a topic as its settings are now. */
export function buildRoute(entry: TopicEntry, brokerName: string): TopicRoute {
  const { topic, readQueueNums, writeQueueNums, permission, orderQueueNums, priority } = entry.config
  const queues = entry.logs.map((log) => log.queue)
  return Object.freeze({
    topic,
    queues: Object.freeze([Object.freeze({ brokerName, readQueueNums, writeQueueNums, permission })]),
    writeQueues: Object.freeze(isWritable(entry) ? queues.slice(0, writeQueueNums) : []),
    readQueues: Object.freeze(isReadable(entry) ? queues.slice(0, readQueueNums) : []),
    ...(orderQueueNums !== undefined && { orderQueues: Object.freeze(queues.slice(0, orderQueueNums)) }),
    ...(priority === true && { priority }),
  })
}

export function isWritable(entry: TopicEntry): boolean {
  return (entry.config.permission & Permission.WRITE) !== 0
}

export function isReadable(entry: TopicEntry): boolean {
  return (entry.config.permission & Permission.READ) !== 0
}

/** Queues that the topic shows to anybody; a shrunk topic has more logs. */
export function queueCount({ config }: TopicEntry): number {
  return Math.max(config.readQueueNums, config.writeQueueNums)
}
