/** A stored copy and a group, with everything that decides whether the one reaches the other, gathered once. */
import type { ConsumerInspection, FetchState } from '../../consumer/inspection.ts'
import type { ConsumerRegistration } from '../../model/engine.ts'
import type { MessageView } from '../../model/message.ts'
import { queueKey } from '../../model/message-queue.ts'
import { parseOffsetMessageId, type RecordAddress } from '../../model/offset-message-id.ts'
import { offsetOwnerOf, parseOffsetOwner } from '../../model/offset-owner.ts'
import { isPopRetryTopicOfGroup, popSourceTopicOf, retryTopicOf } from '../../model/topic.ts'
import type { GroupEntry, TopicEntry } from '../../store/catalog.ts'
import type { QueueLog } from '../../store/queue-log.ts'
import type { RunningCall } from '../life.ts'
import type { InstanceView } from './instance-view.ts'

/** The member that has the queue. */
export interface Owner {
  readonly registration: ConsumerRegistration
  readonly inspection: ConsumerInspection
  readonly queue: NonNullable<ConsumerInspection['queue']>
}

export interface Scene {
  readonly view: InstanceView
  readonly group: GroupEntry
  readonly message: MessageView
  /** Where the copy lies. */
  readonly address: RecordAddress
  /** The topic that holds the copy, which for a retry is the retry topic; `undefined` when it was deleted meanwhile. */
  readonly topic: TopicEntry | undefined
  readonly log: QueueLog | undefined
  /** The broadcasting member whose way it is; `undefined` for the members that share the queues. */
  readonly clientId: string | undefined
  /** Those members, by client id, and those of them that subscribe to the topic. */
  readonly members: readonly ConsumerRegistration[]
  readonly subscribers: readonly ConsumerRegistration[]
  /** What those members do that are push consumers of this instance. */
  readonly inspections: ReadonlyMap<string, ConsumerInspection>
  readonly owner: Owner | undefined
  /** Calls of the group's listeners that still count. */
  readonly groupCalls: readonly RunningCall[]
  /** Those of them for messages of this queue. */
  readonly calls: readonly RunningCall[]
  /** Where the group, or the broadcasting member, stands in the queue. */
  readonly storedOffset: number | undefined
  /** How far the owner has got with it. */
  readonly fetchState: FetchState
}

/** `clientId` names a broadcasting member, whose way is its own. */
export function sceneOf(
  view: InstanceView,
  group: GroupEntry,
  message: MessageView,
  clientId?: string,
): Scene {
  const { broker, store, life, clock, consumers } = view
  const { queue, queueOffset } = message
  const name = group.config.group
  const address = parseOffsetMessageId(message.offsetMessageId)
  const topic = store.catalog.topicOfQueue(address.queueUid)
  const log = store.catalog.log(address.queueUid)
  const members = broker
    .registrations(name)
    .filter((each) => (clientId === undefined ? !isBroadcasting(each) : each.clientId === clientId))
  const ids = new Set(members.map((each) => each.clientId))
  const inspections = new Map(
    [...consumers]
      .filter((consumer) => consumer.group === name && ids.has(consumer.clientId))
      .map((consumer) => [consumer.clientId, consumer.inspectQueue(queue)]),
  )
  const owner = findOwner(members, inspections)
  const nowMs = clock.monotonicMs()
  const groupCalls = [...life.calls].filter(
    (call) => call.group === name && ids.has(call.clientId) && stillCounts(call, nowMs),
  )
  return {
    view,
    group,
    message,
    address,
    topic,
    log,
    clientId,
    members,
    subscribers: members.filter((member) => member.subscriptions.has(topicAskedOf(member, message))),
    inspections,
    owner,
    groupCalls,
    calls: groupCalls.filter(({ messages }) =>
      messages.some((each) => queueKey(each.queue) === queueKey(queue)),
    ),
    storedOffset:
      log &&
      (clientId === undefined ? store.offsets.get(group, log) : broker.memberOffset(name, clientId, log)),
    fetchState: owner?.queue.stateOf(queueOffset) ?? 'unfetched',
  }
}

/** Whether the group is done with this copy: it stands behind it, or will as soon as what lies before it is finished. */
export function isDone(scene: Scene): boolean {
  const { storedOffset, message, fetchState } = scene
  return (storedOffset ?? 0) > message.queueOffset || fetchState === 'passed' || isRememberedAsDone(scene)
}

/** Whoever had the queue before was done with it, though not with all that lies before it. */
function isRememberedAsDone({ view: { store }, group, clientId, address }: Scene): boolean {
  const owner =
    clientId === undefined ? group : store.catalog.group(offsetOwnerOf(group.config.group, clientId))
  if (owner === undefined) return false
  return store.alarms.attempts(owner.uid, address.queueUid).get(address.queueOffset)?.attempt === 0
}

/** The call of a listener that the copy is in. */
export function callWith({ calls, message }: Scene): RunningCall | undefined {
  return calls.find(({ messages }) => messages.some(({ queueOffset }) => queueOffset === message.queueOffset))
}

export function isBroadcasting({ messageModel }: ConsumerRegistration): boolean {
  return messageModel === 'broadcasting'
}

/** Broadcasting members with a name that consume the queue of the message when they come back. */
export function awayMembers(
  { broker, store: { catalog } }: InstanceView,
  { config: { group } }: GroupEntry,
  { offsetMessageId }: MessageView,
): readonly string[] {
  const log = catalog.log(parseOffsetMessageId(offsetMessageId).queueUid)
  if (log === undefined) return []
  const online = new Set(broker.registrations(group).map(({ clientId }) => clientId))
  return [...catalog.groups()]
    .map(({ config }) => parseOffsetOwner(config.group))
    .filter((owner) => owner.group === group)
    .map(({ clientId = '' }) => clientId)
    .filter((id) => id !== '' && !online.has(id) && broker.memberOffset(group, id, log) !== undefined)
    .sort()
}

/** The topic that a member subscribes to if it is to get the copy: retries come to simple consumers from the topic itself. */
export function topicAskedOf({ consumeType, group }: ConsumerRegistration, { queue }: MessageView): string {
  return consumeType === 'pop' ? popSourceTopicOf(queue.topic, group) : queue.topic
}

/** Whether the topic carries retries of the group, for listeners or for simple consumers. */
export function isRetryTopicOfGroup(topic: string, group: string): boolean {
  return topic === retryTopicOf(group) || isPopRetryTopicOfGroup(topic, group)
}

/** Whether the answer of a listener still counts: where a queue is consumed in order, it waits for it. */
export function stillCounts({ isOrderly, startedMs, consumeTimeoutMs }: RunningCall, nowMs: number): boolean {
  return isOrderly || startedMs + consumeTimeoutMs > nowMs
}

/** When the first, or the last, of some calls stops to count; `undefined` when there is none. */
export function firstTimeout({ view }: Scene, calls: readonly RunningCall[]): number | undefined {
  return hasTimeouts(calls) ? Math.min(...calls.map((call) => timeoutOf(view, call))) : undefined
}

export function lastTimeout({ view }: Scene, calls: readonly RunningCall[]): number | undefined {
  return hasTimeouts(calls) ? Math.max(...calls.map((call) => timeoutOf(view, call))) : undefined
}

/** When a call stops to count. */
export function timeoutOf(view: InstanceView, { startedMs, consumeTimeoutMs }: RunningCall): number {
  return toTimestamp(view, startedMs + consumeTimeoutMs)
}

/** Calls for queues that are consumed in order count as long as they take. */
function hasTimeouts(calls: readonly RunningCall[]): boolean {
  return calls.length > 0 && !calls.some(({ isOrderly }) => isOrderly)
}

/** Wall time of a monotonic moment, if time does not jump. */
export function toTimestamp({ clock }: InstanceView, monotonicMs: number): number {
  return clock.now() + monotonicMs - clock.monotonicMs()
}

function findOwner(
  members: readonly ConsumerRegistration[],
  inspections: ReadonlyMap<string, ConsumerInspection>,
): Owner | undefined {
  for (const registration of members) {
    const inspection = inspections.get(registration.clientId)
    if (inspection?.queue !== undefined && !inspection.isLeaving)
      return { registration, inspection, queue: inspection.queue }
  }
  return undefined
}
