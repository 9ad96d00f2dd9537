/**
 * Which queues a sender chooses from, when a message group or a selector says where a message belongs, or nothing does
 * (semantics sections 3.3 to 3.5). Of an order topic these are always the same, so that nothing is sent elsewhere because
 * a queue is away.
 */
import { MQError } from './errors.ts'
import type { MessageQueue } from './message-queue.ts'
import type { TopicRoute } from './results.ts'
import { floorMod, sipHash24 } from './sip-hash.ts'

/** What of a route sending goes by. */
export type SendRoute = Pick<TopicRoute, 'topic' | 'writeQueues' | 'orderQueues'>

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

/** The queue of a message group, as RocketMQ 5 clients choose it; `NO_PERMISSION` when it takes no messages now. */
export function queueOfMessageGroup(route: SendRoute, messageGroup: string): MessageQueue {
  const queues = choosableQueues(route)
  const queue = queues[floorMod(sipHash24(messageGroup), queues.length)]
  if (queue === undefined) throw takesNone(route)
  checkTakesMessages(route, queue)
  return queue
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
