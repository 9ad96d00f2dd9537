/** One queue of a topic on a broker: the unit of order, of offsets and of allocation (RocketMQ `MessageQueue`). */
export interface MessageQueue {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
}

/** A string that is equal exactly when the queues are equal; a topic holds no `@`, and a number none either. */
export function queueKey(queue: MessageQueue): string {
  return `${queue.topic}@${queue.brokerName}@${queue.queueId}`
}

/** RocketMQ's order of queues: topic, then broker name, then queue id. */
export function compareQueues(a: MessageQueue, b: MessageQueue): number {
  return compareText(a.topic, b.topic) || compareText(a.brokerName, b.brokerName) || a.queueId - b.queueId
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
