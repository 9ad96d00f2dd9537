/** What became of a copy that its group is done with: a retry, a dead letter, the end, or nothing since it was passed over. */
import type { MessageView } from '../../model/message.ts'
import { queueKey } from '../../model/message-queue.ts'
import { PropertyName } from '../../model/properties.ts'
import { deadLetterTopicOf } from '../../model/topic.ts'
import type { LedgerEntry, LedgerEntryOf } from '../ledger.ts'
import type { Outcome } from './explanation.ts'
import { closed, type Gate, passed, timeText, unknown, waiting } from './gate.ts'
import { filterGate } from './permission-gates.ts'
import { received } from './receive-gates.ts'
import { callWith, isRetryTopicOfGroup, type Scene } from './scene.ts'

/** `copies` are all stored copies of the message, by which a retry or a dead letter is found. */
export function outcomeOf(scene: Scene, copies: readonly MessageView[]): Outcome {
  return (
    received(scene) ??
    pendingRetry(scene) ??
    laterCopy(scene, copies) ??
    dropped(scene) ??
    acknowledged(scene) ??
    stillRunning(scene) ??
    filteredOut(scene) ??
    passedOver(scene) ??
    untold(scene)
  )
}

/** A dead letter is the end of the way. */
export function deadLetterGate({ properties, storeTimestamp }: MessageView): Gate {
  const reason = properties[PropertyName.DEAD_LETTER_REASON]
  return closed(
    'dead-letter',
    `A dead letter since ${timeText(storeTimestamp)}${reason === undefined ? '.' : `, because: ${reason}`}`,
  )
}

function pendingRetry(scene: Scene): Outcome | undefined {
  const { view, group, address } = scene
  const alarm = [...view.store.alarms.pending(group.uid)].find(
    ({ kind, queueUid, queueOffset }) =>
      kind === 'retry' && queueUid === address.queueUid && queueOffset === address.queueOffset,
  )
  if (alarm === undefined) return undefined
  const { attempt, dueTimestamp } = alarm
  const failed = failedGate(scene, attempt)
  const when =
    dueTimestamp > view.clock.now()
      ? `is due at ${timeText(dueTimestamp)}`
      : `was due at ${timeText(dueTimestamp)} and could not be stored so far`
  return {
    verdict: 'waiting',
    gates: [behind(scene), failed, waiting('retry', `${nameOf(scene, attempt)} ${when}.`, dueTimestamp)],
  }
}

function laterCopy(scene: Scene, copies: readonly MessageView[]): Outcome | undefined {
  const { message, group } = scene
  const { group: name } = group.config
  const later = copies.filter(({ reconsumeTimes }) => reconsumeTimes > message.reconsumeTimes)
  const [retry] = later.filter(({ queue }) => isRetryTopicOfGroup(queue.topic, name)).sort(byFailures)
  if (retry !== undefined) {
    const since = timeText(retry.storeTimestamp)
    const reason = `${nameOf(scene, retry.reconsumeTimes)} was stored at ${since} as a copy of its own.`
    const failed = failedGate(scene, retry.reconsumeTimes)
    return { verdict: 'retried', gates: [behind(scene), failed, passed('retry', reason)] }
  }
  // What failed in its place has no copies in between.
  const deadLetter = later.find(({ queue }) => queue.topic === deadLetterTopicOf(name))
  if (deadLetter === undefined) return undefined
  const failed = failedGate(scene, deadLetter.reconsumeTimes)
  return { verdict: 'dead-letter', gates: [behind(scene), failed, deadLetterGate(deadLetter)] }
}

function byFailures(a: MessageView, b: MessageView): number {
  return a.reconsumeTimes - b.reconsumeTimes
}

/** A broadcasting member gave it up. */
function dropped(scene: Scene): Outcome | undefined {
  const entry = entriesOf(scene).findLast(
    (each): each is LedgerEntryOf<'dropped'> => each.type === 'dropped' && isOfCopy(scene, each),
  )
  if (entry === undefined) return undefined
  const reason = `'${entry.clientId}' dropped it at ${timeText(entry.timestamp)}, since a broadcasting group has no dead letters: ${entry.reason}`
  return { verdict: 'dropped', gates: [behind(scene), closed('dead-letter', reason)] }
}

function acknowledged(scene: Scene): Outcome | undefined {
  const delivery = lastDelivery(scene)
  if (delivery === undefined) return undefined
  const { deliveryAttempt } = delivery
  const entry = entriesOf(scene).findLast(
    (each): each is LedgerEntryOf<'acknowledged'> =>
      each.type === 'acknowledged' && each.deliveryAttempt === deliveryAttempt,
  )
  if (entry === undefined) return undefined
  const who = `'${entry.clientId}' consumed it at ${timeText(entry.timestamp)}, attempt ${deliveryAttempt}.`
  return { verdict: 'consumed', gates: [behind(scene), passed('listener', who)] }
}

/** A reset took the queue away from under a listener. */
function stillRunning(scene: Scene): Outcome | undefined {
  const call = callWith(scene)
  if (call === undefined) return undefined
  const reason = `It is in the listener of '${call.clientId}' since ${timeText(call.startedTimestamp)}; its answer counts no more.`
  return { verdict: 'delivering', gates: [behind(scene), waiting('listener', reason)] }
}

function filteredOut(scene: Scene): Outcome | undefined {
  const gate = filterGate(scene)
  return gate.verdict === 'closed' ? { verdict: 'filtered', gates: [gate, behind(scene)] } : undefined
}

function passedOver(scene: Scene): Outcome | undefined {
  const { view, group, message } = scene
  const delivery = lastDelivery(scene)
  const move = view.trail.moveOver(group.config.group, message.queue, message.queueOffset)
  if (move !== undefined && move.timestamp >= (delivery?.timestamp ?? 0)) {
    const at = `at offset ${move.offset} at ${timeText(move.timestamp)}`
    const reason =
      move.type === 'reset'
        ? `A reset put the group '${group.config.group}' ${at}, behind this one.`
        : `The group '${group.config.group}' had no offset and began ${at}, as consumeFromWhere says, behind this one.`
    return { verdict: 'skipped', gates: [closed('offset', reason)] }
  }
  // The ledger has seen the message come, so it would have seen it delivered.
  const isWitnessed = view.ledger.history(message.messageId).some(({ type }) => type === 'stored')
  if (!isWitnessed || view.trail.isPulling(group.config.group) || delivery !== undefined) return undefined
  return { verdict: 'skipped', gates: [closed('offset', `${standing(scene)} It was never delivered.`)] }
}

function untold(scene: Scene): Outcome {
  const { view, group } = scene
  const why = view.trail.isPulling(group.config.group)
    ? 'It has consumers that pull, and the ledger does not see what single pulls bring'
    : 'The ledger saw nobody settle it, or begins later'
  const reason = `${standing(scene)} ${why}, so it cannot tell what became of it.`
  return { verdict: 'unknown', gates: [unknown('offset', reason)] }
}

/** The group's offset, or the member's, lies behind the copy. */
function behind(scene: Scene): Gate {
  return passed('offset', standing(scene))
}

function standing({ storedOffset, message, group, owner, clientId }: Scene): string {
  const who = clientId === undefined ? `The group '${group.config.group}'` : `'${clientId}'`
  if ((storedOffset ?? 0) > message.queueOffset) return `${who} stands at offset ${storedOffset}, behind it.`
  const first = owner?.queue.committableOffset
  if (first === undefined) return `${who} is done with it, and its offset waits for what lies before it.`
  if (first > message.queueOffset)
    return `${who} is done with it, and its acknowledgement up to offset ${first} has not reached the engine.`
  return `${who} is done with it, and its offset waits for offset ${first}, which is not finished.`
}

/** What the ledger knows of the message and the group, or the broadcasting member. */
function entriesOf({ view, message, group, clientId }: Scene): LedgerEntry[] {
  const { group: name } = group.config
  const isTheirs = (entry: LedgerEntry): boolean =>
    clientId === undefined || !('clientId' in entry) || entry.clientId === clientId
  return view.ledger
    .history(message.messageId)
    .filter((entry) => 'group' in entry && entry.group === name && isTheirs(entry))
}

/** The last time that this copy reached a listener of the group. */
function lastDelivery(scene: Scene): LedgerEntryOf<'delivered'> | undefined {
  return entriesOf(scene).findLast(
    (entry): entry is LedgerEntryOf<'delivered'> => entry.type === 'delivered' && isOfCopy(scene, entry),
  )
}

function isOfCopy({ message }: Scene, entry: LedgerEntryOf<'delivered' | 'dropped'>): boolean {
  return entry.queueOffset === message.queueOffset && queueKey(entry.queue) === queueKey(message.queue)
}

/** Why an attempt failed: as the event of the retry said it, or the listener. */
function failedGate(scene: Scene, attempt: number): Gate {
  const entries = entriesOf(scene)
  const told = entries.findLast((entry) => entry.type === 'retried' && entry.reconsumeTimes === attempt)
  const failed = entries.findLast((entry) => entry.type === 'failed' && entry.deliveryAttempt === attempt)
  const entry = told ?? failed
  const why = entry !== undefined && 'reason' in entry ? entry.reason : 'the ledger does not tell why.'
  return passed('listener', `Attempt ${attempt} failed: ${why}`)
}

function nameOf({ inspections }: Scene, attempt: number): string {
  const [member] = inspections.values()
  return member === undefined ? `Retry ${attempt}` : `Retry ${attempt} of ${member.maxReconsumeTimes}`
}
