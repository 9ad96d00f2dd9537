/**
 * Why was this message not delivered? The way from the store to the listener is walked gate by gate, with the predicates and
 * the state that decide in earnest.
 */
import { invalidParameter, MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { isMessageId } from '../model/message-id.ts'
import { realTime } from '../model/system-clock.ts'
import { checkGroupName, deadLetterTopicOf, isDeadLetterTopic, isRetryTopic } from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import { explainAbsent } from './explain/absent.ts'
import { assignmentGate } from './explain/assignment-gate.ts'
import { listeningGates, offsetGate, retryGate } from './explain/delivery-gates.ts'
import {
  type CopyVerdict,
  type ExplainedCopy,
  Explanation,
  type ExplanationVerdict,
  type Outcome,
} from './explain/explanation.ts'
import { firstShut, type Gate, type GateName, passed } from './explain/gate.ts'
import type { InstanceView } from './explain/instance-view.ts'
import { deadLetterGate, outcomeOf } from './explain/outcome.ts'
import { filterGate, groupGate, storedGate, subscriptionGate, topicGate } from './explain/permission-gates.ts'
import { askedMember, askingGate, polled, received } from './explain/receive-gates.ts'
import {
  awayMembers,
  isBroadcasting,
  isDone,
  isRetryTopicOfGroup,
  type Scene,
  sceneOf,
} from './explain/scene.ts'

/** What is open goes before what is over, and of that the end before what led to it. */
const RANK: readonly CopyVerdict[] = [
  'delivering',
  'waiting',
  'blocked',
  'dead-letter',
  'dropped',
  'consumed',
  'filtered',
  'skipped',
  'expired',
  'unknown',
  'retried',
]

/** Gates that may open by time alone, as long as no listener runs. */
const TIMED_GATES: ReadonlySet<GateName> = new Set(['flow-control', 'fetch', 'listener'])

/** Turns of the event loop in which what was just sent gets as far as it can. */
const TURNS = 10

/** As `TestMQ.explain`. */
export async function explain(view: InstanceView, messageId: string, group: string): Promise<Explanation> {
  await comeToRest(view)
  if (typeof messageId !== 'string' || !isMessageId(messageId))
    throw invalidParameter(
      `explain: '${messageId}' is no message id; a receipt has one, and so has a message.`,
    )
  const entry = groupOf(view, group)
  const stored = await view.store.queryById(messageId)
  const copies = stored.filter((copy) => concerns(view, copy, group))
  if (copies.length === 0) return explainAbsent(view, messageId, group)
  const explained = copies.flatMap((copy) =>
    waysOf(view, entry, copy).map((clientId) => explainCopy(view, entry, copy, { copies, clientId })),
  )
  const deciding = explained.reduce((best, each) => (rank(each) <= rank(best) ? each : best))
  const gate = firstShut(deciding.gates)
  const verdict = deciding.verdict === 'retried' ? 'unknown' : deciding.verdict
  return new Explanation({ messageId, group, verdict, gate, copies: explained })
}

/**
 * Until when nothing but time keeps the message from its group: it rests after a failure, a rate limit holds it back, its pull is
 * tried again, or it waits for another one that does. `undefined` when there is something else to wait for.
 */
export async function restsUntil(
  view: InstanceView,
  message: MessageView,
  group: string,
  clientId?: string,
): Promise<number | undefined> {
  const scene = sceneOf(view, groupOf(view, group), message, clientId)
  // What a listener is busy with may end at any time, and something else begins.
  if (scene.groupCalls.length > 0) return undefined
  const gate = isDone(scene) ? undefined : firstShut(atHand(scene)?.gates ?? gatesOf(scene))
  if (gate !== undefined && !TIMED_GATES.has(gate.name)) return undefined
  if (gate?.opensTimestamp !== undefined) return gate.opensTimestamp
  const first = blockerOf(scene, gate)
  if (first === undefined || first >= message.queueOffset) return undefined
  return restsUntil(view, await view.engine.viewMessage(message.queue, first), group, clientId)
}

/** Why a stored message does not reach a group, in a few words: the first gate that is shut. */
export async function whyNotDelivered(
  view: InstanceView,
  message: MessageView,
  group: string,
  clientId?: string,
): Promise<string> {
  const scene = sceneOf(view, groupOf(view, group), message, clientId)
  const { gates } = isDone(scene) ? outcomeOf(scene, []) : (atHand(scene) ?? { gates: gatesOf(scene) })
  const gate = firstShut(gates) ?? gates.find(({ name }) => name === 'offset')
  const reason = gate?.reason.replace(/\.$/, '') ?? ''
  return reason.charAt(0).toLowerCase() + reason.slice(1)
}

/** The offset of the message for which this one waits, or its offset, or the room that it needs. */
function blockerOf({ owner, message, fetchState }: Scene, gate: Gate | undefined): number | undefined {
  if (owner === undefined) return undefined
  return gate?.name === 'listener' && fetchState !== 'unfetched'
    ? owner.inspection.blockerOf(message.queueOffset)
    : owner.queue.committableOffset
}

/** The clock waits for listeners, and one of them may be who asks. */
async function comeToRest({ clock, life }: InstanceView): Promise<void> {
  if (life.calls.size === 0) return clock.rest()
  for (let turn = 0; turn < TURNS; turn++) await realTime.turn()
}

/** Whether the group will pass it by: the member that has its queue, or else every member, asks for something else. */
export function isPassedBy(
  view: InstanceView,
  message: MessageView,
  group: string,
  clientId?: string,
): boolean {
  return filterGate(sceneOf(view, groupOf(view, group), message, clientId)).verdict === 'closed'
}

/** A message goes one way to the members that share the queues, and one to each that is broadcasting, also if it is away. */
function waysOf(
  view: InstanceView,
  group: GroupEntry,
  message: MessageView,
): readonly (string | undefined)[] {
  const members = view.broker.registrations(group.config.group)
  const away = awayMembers(view, group, message)
  const broadcasting = [...members.filter(isBroadcasting).map(({ clientId }) => clientId), ...away]
  const isShared = broadcasting.length === 0 || members.some((member) => !isBroadcasting(member))
  return isShared ? [undefined, ...broadcasting] : broadcasting
}

function groupOf({ store }: InstanceView, group: string): GroupEntry {
  checkGroupName(group)
  const entry = store.catalog.group(group)
  if (entry !== undefined) return entry
  throw new MQError(
    'SUBSCRIPTION_GROUP_NOT_EXIST',
    `The group '${group}' does not exist; it is made when its first consumer starts, or with createGroup.`,
  )
}

/** Retries and dead letters of other groups are their affair, unless this one consumes them. */
function concerns({ broker }: InstanceView, { queue: { topic } }: MessageView, group: string): boolean {
  if (!isRetryTopic(topic) && !isDeadLetterTopic(topic)) return true
  if (isRetryTopicOfGroup(topic, group) || topic === deadLetterTopicOf(group)) return true
  return broker.registrations(group).some(({ subscriptions }) => subscriptions.has(topic))
}

function explainCopy(
  view: InstanceView,
  group: GroupEntry,
  message: MessageView,
  { copies, clientId }: { readonly copies: readonly MessageView[]; readonly clientId: string | undefined },
): ExplainedCopy {
  const { queue, queueOffset, storeTimestamp, deliveryAttempt } = message
  const kind = kindOf(message, group.config.group)
  const whose = clientId === undefined ? {} : { clientId }
  const place = { kind, queue, queueOffset, storeTimestamp, deliveryAttempt, ...whose }
  const scene = sceneOf(view, group, message, clientId)
  if (kind === 'dead-letter')
    return { ...place, verdict: 'dead-letter', gates: [storedGate(scene), deadLetterGate(message)] }
  if (isDone(scene)) {
    const { verdict, gates } = outcomeOf(scene, copies)
    return { ...place, verdict, gates: [storedGate(scene), ...gates] }
  }
  const held = atHand(scene)
  if (held !== undefined) return { ...place, ...held, gates: [storedGate(scene), ...held.gates] }
  const gates = gatesOf(scene)
  return { ...place, verdict: verdictOf(scene, firstShut(gates)), gates }
}

/** How it stands when the application itself has taken it, and has not settled it. */
function atHand(scene: Scene): Outcome | undefined {
  return received(scene) ?? polled(scene)
}

function kindOf({ queue: { topic } }: MessageView, group: string): ExplainedCopy['kind'] {
  if (isRetryTopicOfGroup(topic, group)) return 'retry'
  return topic === deadLetterTopicOf(group) ? 'dead-letter' : 'original'
}

/** Every gate on the way of a copy that the group is not done with. */
function gatesOf(scene: Scene): readonly Gate[] {
  const asked = askedMember(scene)
  return [
    storedGate(scene),
    topicGate(scene),
    groupGate(scene),
    subscriptionGate(scene),
    filterGate(scene),
    assignmentGate(scene),
    offsetGate(scene),
    ...(asked === undefined ? listeningGates(scene) : [askingGate(scene, asked)]),
    retryGate(scene),
    passed('dead-letter', 'It has not failed for good.'),
  ]
}

function verdictOf(scene: Scene, gate: Gate | undefined): ExplanationVerdict {
  if (gate === undefined) return 'waiting'
  if (gate.name === 'listener' && isUnderWay(scene)) return 'delivering'
  if (gate.name === 'stored') return 'expired'
  if (gate.name === 'filter') return 'filtered'
  return gate.verdict === 'waiting' ? 'waiting' : 'blocked'
}

/** What failed and stays where it is has been started, but rests. */
function isUnderWay({ fetchState, owner, message }: Scene): boolean {
  return fetchState === 'started' && owner?.inspection.redeliveryMs(message.queueOffset) === undefined
}

function rank({ verdict }: ExplainedCopy): number {
  return RANK.indexOf(verdict)
}
