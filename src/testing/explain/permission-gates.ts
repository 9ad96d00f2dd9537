/** May this copy be consumed by this group at all: permissions, subscriptions and filters. */
import { isReadable } from '../../broker/routes.ts'
import type { ConsumerRegistration } from '../../model/engine.ts'
import { javaHashCode } from '../../model/java-hash.ts'
import type { MessageView } from '../../model/message.ts'
import { PropertyName } from '../../model/properties.ts'
import { type MessageFilter, matchAll, matchesTag } from '../../model/subscription.ts'
import { isPopRetryTopicOfGroup } from '../../model/topic.ts'
import { closed, type Gate, passed, timeText, unknown } from './gate.ts'
import { type Scene, topicAskedOf } from './scene.ts'

export function storedGate({ message, log }: Scene): Gate {
  const { queue, queueOffset, storeTimestamp } = message
  if (log === undefined)
    return closed('stored', `The topic '${queue.topic}' was deleted, and the message with it.`)
  if (queueOffset < log.minOffset)
    return closed(
      'stored',
      `Retention has removed it: queue ${queue.queueId} begins at offset ${log.minOffset}.`,
    )
  return passed(
    'stored',
    `It lies in queue ${queue.queueId} at offset ${queueOffset} since ${timeText(storeTimestamp)}.`,
  )
}

export function topicGate({ topic, message }: Scene): Gate {
  const { queueId, topic: name } = message.queue
  if (topic === undefined) return closed('topic', `The topic '${name}' does not exist any more.`)
  if (!isReadable(topic))
    return closed('topic', `The topic '${name}' does not permit reading; admin.updateTopic changes that.`)
  const { readQueueNums } = topic.config
  if (queueId >= readQueueNums)
    return closed(
      'topic',
      `Consumers see ${readQueueNums} queues of '${name}', and this is queue ${queueId}.`,
    )
  return passed('topic', `The topic '${name}' may be read.`)
}

export function groupGate({ group }: Scene): Gate {
  const { group: name, consumeEnable } = group.config
  if (consumeEnable) return passed('group', `The group '${name}' may consume.`)
  return closed('group', `The group '${name}' may not consume: consumeEnable is false.`)
}

export function subscriptionGate({ group, members, subscribers, message, clientId }: Scene): Gate {
  const { topic } = message.queue
  const { group: name } = group.config
  if (members.length === 0 && clientId !== undefined)
    return closed(
      'subscription',
      `'${clientId}' is away; it gets the message when it is back under its name, unless admin.forgetConsumer forgets it.`,
    )
  if (members.length === 0) return closed('subscription', `The group '${name}' has no members.`)
  if (subscribers.length > 0) return passed('subscription', `${names(subscribers)} subscribes to '${topic}'.`)
  const topics = new Set(members.flatMap(({ subscriptions }) => [...subscriptions.keys()]))
  return closed(
    'subscription',
    `No member of '${name}' subscribes to '${topic}', only to ${[...topics].map(quote).join(', ')}.`,
  )
}

export function filterGate(scene: Scene): Gate {
  const { subscribers, message, owner } = scene
  if (subscribers.length === 0) return unknown('filter', 'Nobody subscribes.')
  const what =
    message.tag === undefined ? 'The message has no tag' : `The message has the tag '${message.tag}'`
  const judges = owner === undefined ? subscribers : [owner.registration]
  const inFavour = judges.filter((judge) => letsPass(judge, message))
  const reason = `${what}; ${subscribers.map((each) => expressionOf(each, message)).join(', ')}.`
  if (inFavour.length === judges.length) return passed('filter', reason)
  if (inFavour.length > 0) return unknown('filter', `${reason} It depends on who gets the queue.`)
  const others = subscribers.some((each) => letsPass(each, message))
  return closed('filter', others ? `${reason} The queue belongs to ${names(judges)}.` : reason)
}

function letsPass(member: ConsumerRegistration, message: MessageView): boolean {
  const filter = filterOf(member, message)
  if (filter?.type === 'SQL92') return filter.matches((name) => propertyOf(message, name))
  const { tag = '' } = message
  return filter !== undefined && matchesTag(filter, tag === '' ? 0 : javaHashCode(tag), () => tag)
}

function expressionOf(member: ConsumerRegistration, message: MessageView): string {
  return `'${member.clientId}' asks for '${filterOf(member, message)?.expression}'`
}

/** What a simple consumer let pass once comes back to it whatever it asks for now. */
function filterOf(member: ConsumerRegistration, message: MessageView): MessageFilter | undefined {
  const filter = member.subscriptions.get(topicAskedOf(member, message))
  const isReceivedAgain = isPopRetryTopicOfGroup(message.queue.topic, member.group)
  return filter !== undefined && isReceivedAgain ? matchAll : filter
}

/** A property as SQL filters name it; as `PropertyReader`. */
function propertyOf(
  { tag, keys, messageId, messageGroup, properties }: MessageView,
  name: string,
): string | undefined {
  if (name === 'TAGS') return tag
  if (name === 'KEYS') return keys.length === 0 ? undefined : keys.join(' ')
  if (name === 'UNIQ_KEY') return messageId
  if (name === PropertyName.MESSAGE_GROUP) return messageGroup
  return Object.hasOwn(properties, name) ? properties[name] : undefined
}

function names(members: readonly ConsumerRegistration[]): string {
  return members.map(({ clientId }) => quote(clientId)).join(', ')
}

function quote(text: string): string {
  return `'${text}'`
}
