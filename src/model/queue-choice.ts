/**
 * Which queues a sender chooses from, when a message group, a priority or a selector says where a message belongs, or
 * nothing does (semantics sections 3.3 to 3.5). Of an order topic these are always the same, so that nothing is sent elsewhere because
 * a queue is away.
 */
import { MQError } from './errors.ts'
import type { MessageQueue } from './message-queue.ts'
import type { TopicRoute } from './results.ts'
import { floorMod, sipHash24 } from './sip-hash.ts'

/** What of a route sending goes by. */
export type SendRoute = Pick<TopicRoute, 'topic' | 'writeQueues' | 'orderQueues' | 'priority'>

/** The queues that a message group or a selector chooses from. */
export function choosableQueues({ writeQueues, orderQueues }: SendRoute): readonly MessageQueue[] {
  return orderQueues ?? writeQueues
}

/** Those of them that take messages now: where what belongs nowhere may go. */
export function takingQueues(route: SendRoute): readonly MessageQueue[] {
  const { writeQueues, orderQueues } = route
  const taking =
    orderQueues === undefined ? writeQueues : orderQueues.filter((queue) => writeQueues.includes(queue))
  if (taking.length === 0) throw takesNone(route)
  return taking
}

/**
 * The queue of a message group, as RocketMQ 5 clients choose it; `NO_PERMISSION` when it takes no messages now, and
 * `MESSAGE_ILLEGAL` in a priority topic.
 */
export function queueOfMessageGroup(route: SendRoute, messageGroup: string): MessageQueue {
  checkTakesGroups(route)
  const queues = choosableQueues(route)
  const queue = queues[floorMod(sipHash24(messageGroup), queues.length)]
  if (queue === undefined) throw takesNone(route)
  checkTakesMessages(route, queue)
  return queue
}

/** The queue of a priority: one of its own as far as they reach, and the last one for what is above. */
export function queueOfPriority(route: SendRoute, priority: number | undefined): MessageQueue {
  const { writeQueues } = route
  const queue = writeQueues[priorityQueueId(priority, writeQueues.length)]
  if (queue === undefined) throw takesNone(route)
  return queue
}

/** The number of that queue (RocketMQ `SendMessageProcessor`). Without a priority a message has the lowest. */
export function priorityQueueId(priority: number | undefined, queueNums: number): number {
  return Math.min(priority ?? 0, queueNums - 1)
}

/** Refuses message groups where the queue of a message is its priority: its group would give it one by chance. */
export function checkTakesGroups({ topic, priority }: SendRoute): void {
  if (priority !== true) return
  const text = `The priority topic '${topic}' takes no message with a messageGroup: the queue of a message is its priority there.`
  throw new MQError('MESSAGE_ILLEGAL', text, { outcome: 'not-attempted' })
}

/** Refuses a batch of several priorities where each has a queue of its own: a batch goes to one. */
export function checkTakesSeveralPriorities({ topic, priority }: SendRoute): void {
  if (priority !== true) return
  const text = `The batch has messages of several priorities, which go to different queues of the priority topic '${topic}'. Use splitIntoBatches.`
  throw new MQError('MESSAGE_ILLEGAL', text, { outcome: 'not-attempted' })
}

/** Refuses a queue that takes no messages: of an order topic, to send elsewhere would break the order. */
export function checkTakesMessages(
  { topic, writeQueues, orderQueues }: SendRoute,
  queue: MessageQueue,
): void {
  if (orderQueues === undefined || writeQueues.includes(queue)) return
  const text = `Queue ${queue.queueId} of the order topic '${topic}' takes no messages now, and what belongs there goes nowhere else; give the topic its write queues back.`
  throw new MQError('NO_PERMISSION', text, { outcome: 'not-attempted' })
}

function takesNone({ topic }: SendRoute): MQError {
  return new MQError('NO_PERMISSION', `The topic '${topic}' takes no messages.`)
}
