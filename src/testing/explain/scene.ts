/** A stored copy and a group, with everything that decides whether the one reaches the other, gathered once. */
import type { ConsumerInspection, FetchState } from '../../consumer/inspection.ts'
import type { ConsumerRegistration } from '../../model/engine.ts'
import type { MessageView } from '../../model/message.ts'
import { queueKey } from '../../model/message-queue.ts'
import { parseOffsetMessageId, type RecordAddress } from '../../model/offset-message-id.ts'
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
  /** All members, by client id, and those of them that subscribe to the topic. */
  readonly members: readonly ConsumerRegistration[]
  readonly subscribers: readonly ConsumerRegistration[]
  /** What those members do that are push consumers of this instance. */
  readonly inspections: ReadonlyMap<string, ConsumerInspection>
  readonly owner: Owner | undefined
  /** Calls of the group's listeners that still count. */
  readonly groupCalls: readonly RunningCall[]
  /** Those of them for messages of this queue. */
  readonly calls: readonly RunningCall[]
  /** Where the group stands in the queue. */
  readonly storedOffset: number | undefined
  /** How far the owner has got with it. */
  readonly fetchState: FetchState
}

export function sceneOf(view: InstanceView, group: GroupEntry, message: MessageView): Scene {
  const { broker, store, life, clock, consumers } = view
  const { queue, queueOffset } = message
  const name = group.config.group
  const address = parseOffsetMessageId(message.offsetMessageId)
  const topic = store.catalog.topicOfQueue(address.queueUid)
  const log = store.catalog.log(address.queueUid)
  const members = broker.registrations(name)
  const ids = new Set(members.map(({ clientId }) => clientId))
  const inspections = new Map(
    [...consumers]
      .filter(({ group: theirs, clientId }) => theirs === name && ids.has(clientId))
      .map((consumer) => [consumer.clientId, consumer.inspect(queue)]),
  )
  const owner = findOwner(members, inspections)
  const nowMs = clock.monotonicMs()
  const groupCalls = [...life.calls].filter(
    (call) => call.group === name && ids.has(call.clientId) && call.startedMs + call.consumeTimeoutMs > nowMs,
  )
  return {
    view,
    group,
    message,
    address,
    topic,
    log,
    members,
    subscribers: members.filter(({ subscriptions }) => subscriptions.has(queue.topic)),
    inspections,
    owner,
    groupCalls,
    calls: groupCalls.filter(({ messages }) =>
      messages.some((each) => queueKey(each.queue) === queueKey(queue)),
    ),
    storedOffset: log && store.offsets.get(group, log),
    fetchState: owner?.queue.stateOf(queueOffset) ?? 'unfetched',
  }
}

/** Whether the group is done with this copy: it stands behind it, or will as soon as what lies before it is finished. */
export function isDone({ storedOffset, message, fetchState }: Scene): boolean {
  return (storedOffset ?? 0) > message.queueOffset || fetchState === 'passed'
}

/** The call of a listener that the copy is in. */
export function callWith({ calls, message }: Scene): RunningCall | undefined {
  return calls.find(({ messages }) => messages.some(({ queueOffset }) => queueOffset === message.queueOffset))
}

/** When the first, or the last, of some calls stops to count; `undefined` when there is none. */
export function firstTimeout({ view }: Scene, calls: readonly RunningCall[]): number | undefined {
  return calls.length === 0 ? undefined : Math.min(...calls.map((call) => timeoutOf(view, call)))
}

export function lastTimeout({ view }: Scene, calls: readonly RunningCall[]): number | undefined {
  return calls.length === 0 ? undefined : Math.max(...calls.map((call) => timeoutOf(view, call)))
}

/** When a call stops to count. */
export function timeoutOf(view: InstanceView, { startedMs, consumeTimeoutMs }: RunningCall): number {
  return toTimestamp(view, startedMs + consumeTimeoutMs)
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
