/** Which member has the queue, or why nobody does. */
import { isReadable } from '../../broker/routes.ts'
import type { ConsumerRegistration } from '../../model/engine.ts'
import { compareQueues, queueKey } from '../../model/message-queue.ts'
import { closed, type Gate, passed, timeText, unknown, waiting } from './gate.ts'
import { askedMember } from './receive-gates.ts'
import { isBroadcasting, lastTimeout, type Scene, toTimestamp } from './scene.ts'

export function assignmentGate(scene: Scene): Gate {
  const { owner, subscribers, message } = scene
  const queue = `queue ${message.queue.queueId}`
  if (owner !== undefined) return passed('assignment', `'${owner.registration.clientId}' has ${queue}.`)
  if (subscribers.length === 0) return unknown('assignment', 'Nobody subscribes.')
  const asked = askedMember(scene)
  if (asked?.consumeType === 'pop')
    return passed('assignment', 'Simple consumers own no queues; any of them may receive it.')
  if (asked !== undefined) return passed('assignment', `'${asked.clientId}' has ${queue}.`)
  if (subscribers.every(isBroadcasting))
    return waiting('assignment', `'${subscribers[0]!.clientId}' is about to take ${queue}.`)
  return handOverGate(scene, queue) ?? leaseGate(scene, queue) ?? allocationGate(scene, queue)
}

/** A member gives the queue up, and waits for its own listeners. */
function handOverGate(scene: Scene, queue: string): Gate | undefined {
  const leaving = [...scene.inspections].find(([, { isLeaving }]) => isLeaving)
  if (leaving === undefined) return undefined
  const [clientId] = leaving
  const theirs = scene.calls.filter((call) => call.clientId === clientId)
  return waiting(
    'assignment',
    `'${clientId}' hands ${queue} over as soon as its listener has settled, which is busy with ${theirs.length} of its messages.`,
    lastTimeout(scene, theirs),
  )
}

/** Somebody holds the lease who pulls nothing. */
function leaseGate({ view, group, message }: Scene, queue: string): Gate | undefined {
  const lease = view.broker.leaseOf(group.config.group, message.queue)
  if (lease === undefined) return undefined
  const ends = toTimestamp(view, lease.endsMs)
  const until = `until ${timeText(ends)} unless it is renewed or given back`
  return waiting('assignment', `'${lease.clientId}' holds the lease on ${queue} ${until}.`, ends)
}

/** The strategy decides; it knows members, and not what they subscribe to. */
function allocationGate(scene: Scene, queue: string): Gate {
  const { members, inspections, message } = scene
  const strangers = members.filter(({ clientId }) => !inspections.has(clientId))
  if (strangers.length > 0) return unknown('assignment', `Nobody known has ${queue}.`)
  const takers = members.filter((member) => allocates(scene, member))
  const idle = takers.filter(({ subscriptions }) => !subscriptions.has(message.queue.topic))
  if (takers.length === 0) return closed('assignment', `The allocation strategy gives ${queue} to nobody.`)
  if (idle.length === takers.length) {
    const who = idle.map(({ clientId }) => `'${clientId}'`).join(', ')
    return closed(
      'assignment',
      `The allocation strategy gives ${queue} to ${who}, which does not subscribe to '${message.queue.topic}'; ` +
        'all members of a group must subscribe to the same.',
    )
  }
  return waiting('assignment', `'${takers[0]!.clientId}' is about to take ${queue}.`)
}

function allocates(
  { topic, group, members, inspections, message }: Scene,
  member: ConsumerRegistration,
): boolean {
  const strategy = inspections.get(member.clientId)?.allocateStrategy
  if (topic === undefined || strategy === undefined || !isReadable(topic)) return false
  const queues = topic.logs.slice(0, topic.config.readQueueNums).map((log) => log.queue)
  const ids = members.map(({ clientId }) => clientId)
  const given = strategy.allocate(group.config.group, member.clientId, queues.toSorted(compareQueues), ids)
  return given.some((queue) => queueKey(queue) === queueKey(message.queue))
}
