/** Messages that come when an application asks for them: nothing is delivered to it before that. */
import type { ConsumerRegistration } from '../../model/engine.ts'
import type { Alarm } from '../../store/fact.ts'
import { NEVER, offsetsOf } from '../../store/invisible-run.ts'
import type { Outcome } from './explanation.ts'
import { closed, type Gate, passed, timeText, waiting } from './gate.ts'
import type { Scene } from './scene.ts'

/** The member that gets the copy if it asks; `undefined` when listeners get what there is. */
export function askedMember(scene: Scene): ConsumerRegistration | undefined {
  const { view, group, message, subscribers } = scene
  const lease = view.broker.leaseOf(group.config.group, message.queue)
  // A broadcasting member has every queue, without leases.
  const ownerId = scene.clientId ?? lease?.clientId
  const holder = subscribers.find(({ clientId }) => clientId === ownerId)
  if (holder?.consumeType === 'pull') return holder
  return subscribers.every(({ consumeType }) => consumeType === 'pop') ? subscribers[0] : undefined
}

export function askingGate({ message }: Scene, { clientId, consumeType }: ConsumerRegistration): Gate {
  const { queue, topic } = message
  return consumeType === 'pop'
    ? closed('fetch', `It comes when the application of '${clientId}' receives from '${topic}'.`)
    : closed(
        'fetch',
        `It comes when the application of '${clientId}' polls and queue ${queue.queueId} has its turn.`,
      )
}

/** A lite pull consumer has polled the copy, and its application has not come back from it. */
export function polled({ view, group, message, members, clientId }: Scene): Outcome | undefined {
  const { queue, queueOffset } = message
  const found = view.handedOut.polledAt(group.config.group, queue, queueOffset, clientId)
  if (found === undefined || !members.some((member) => member.clientId === found.clientId)) return undefined
  const reason = `'${found.clientId}' polled it at ${timeText(found.timestamp)}, and its offset is not committed; that takes another poll, another round of its loop, or commit().`
  return { verdict: 'delivering', gates: [waiting('listener', reason)] }
}

/** What simple consumers have made of the copy, where the store tells. */
export function received(scene: Scene): Outcome | undefined {
  const alarm = alarmOf(scene)
  if (alarm === undefined) return undefined
  const { dueTimestamp, attempt, kind } = alarm
  if (dueTimestamp !== NEVER) {
    const times = kind === 'pop-orderly' ? attempt : scene.message.deliveryAttempt
    const reason = `A simple consumer has received it, attempt ${times}; unless it is settled, its time is over at ${timeText(dueTimestamp)}.`
    return { verdict: 'delivering', gates: [waiting('listener', reason, dueTimestamp)] }
  }
  if (attempt !== 0) return undefined
  const reason = 'It is settled, and the offset waits for those before it.'
  return { verdict: 'consumed', gates: [passed('offset', reason)] }
}

function alarmOf({ view, group, address }: Scene): Alarm | undefined {
  return [...view.store.alarms.pending(group.uid)].find(
    (alarm) =>
      (alarm.kind === 'pop' || alarm.kind === 'pop-orderly') &&
      alarm.queueUid === address.queueUid &&
      offsetsOf(alarm).includes(address.queueOffset),
  )
}
