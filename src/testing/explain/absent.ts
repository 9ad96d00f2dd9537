/** A message of which no copy lies in a queue: it waits for its time or its transaction, or the ledger knows why. */
import { MQError } from '../../model/errors.ts'
import type { MessageView } from '../../model/message.ts'
import { PropertyName } from '../../model/properties.ts'
import type { Alarm } from '../../store/fact.ts'
import { NO_OFFSET } from '../../store/stored-message.ts'
import type { LedgerEntry, LedgerEntryOf } from '../ledger.ts'
import { Explanation, type ExplanationVerdict } from './explanation.ts'
import { closed, type Gate, passed, timeText, unknown, waiting } from './gate.ts'
import type { InstanceView } from './instance-view.ts'

/** Explains it; `NO_MESSAGE` for an id that was neither stored nor sent in this test. */
export async function explainAbsent(
  view: InstanceView,
  messageId: string,
  group: string,
): Promise<Explanation> {
  const parked = await parkedStill(view, messageId)
  if (parked !== undefined) {
    const [verdict, gate] = parked
    return new Explanation({ messageId, group, verdict, gate, copies: [] })
  }
  const history = view.ledger.history(messageId)
  if (history.length === 0)
    throw new MQError('NO_MESSAGE', `No message ${messageId} is stored, and none was sent in this test.`)
  const [verdict, gate] =
    consumed(history, group) ?? withdrawn(history) ?? gone(view, history) ?? unsent(history)
  return new Explanation({ messageId, group, verdict, gate, copies: [] })
}

type Answer = readonly [verdict: ExplanationVerdict, gate: Gate]

/** It is stored with an alarm, in no queue. */
async function parkedStill({ store, clock }: InstanceView, messageId: string): Promise<Answer | undefined> {
  for await (const { entries } of store.parking.pending({})) {
    for (const entry of entries) {
      const message = store.parking.view(entry)
      if (message?.messageId === messageId) return answerOf(entry.alarm, message, clock.now())
    }
  }
  return undefined
}

function answerOf(alarm: Alarm, message: MessageView, now: number): Answer {
  const { kind, dueTimestamp } = alarm
  if (kind === 'transaction') return ['blocked', closed('stored', wordsOfHalf(alarm, message))]
  const due = timeText(dueTimestamp)
  const reason =
    dueTimestamp > now
      ? `It waits for its time until ${due}.`
      : `Its time came at ${due}, but it could not be put into its queue so far.`
  return ['waiting', waiting('stored', reason, dueTimestamp)]
}

/** Only its producer group can end a transaction, so nothing opens by itself. */
function wordsOfHalf({ attempt, dueTimestamp }: Alarm, message: MessageView): string {
  const group = message.properties[PropertyName.PRODUCER_GROUP]
  const asked = attempt === 0 ? 'not asked yet' : `asked ${attempt} ${attempt === 1 ? 'time' : 'times'}`
  const half = 'It is the half of a transaction that is neither committed nor rolled back'
  return `${half}; '${group}' was ${asked}, the next time is ${timeText(dueTimestamp)}.`
}

function consumed(history: readonly LedgerEntry[], group: string): Answer | undefined {
  const entry = history.findLast((each) => each.type === 'acknowledged' && each.group === group)
  if (entry === undefined) return undefined
  return [
    'consumed',
    passed('listener', `It was consumed at ${timeText(entry.timestamp)}, and is gone since.`),
  ]
}

function withdrawn(history: readonly LedgerEntry[]): Answer | undefined {
  const entry = history.findLast(({ type }) => type === 'recalled' || type === 'rolled-back')
  if (entry === undefined) return undefined
  const how = entry.type === 'recalled' ? 'recalled' : 'rolled back'
  return ['not-stored', closed('stored', `It was ${how} at ${timeText(entry.timestamp)}.`)]
}

/** It was stored, and is not there any more. */
function gone({ store }: InstanceView, history: readonly LedgerEntry[]): Answer | undefined {
  const entry = history.findLast((each): each is LedgerEntryOf<'stored'> => each.type === 'stored')
  if (entry === undefined) return undefined
  const { queue, queueOffset } = entry
  const where = `queue ${queue.queueId} of '${queue.topic}' at offset ${queueOffset}`
  const log = store.catalog.topic(queue.topic)?.logs[queue.queueId]
  if (log === undefined)
    return ['expired', closed('stored', `The topic '${queue.topic}' was deleted, and it with it.`)]
  if (queueOffset === NO_OFFSET) return goneSinceItWaited(log.minOffset)
  if (log.minOffset > queueOffset)
    return [
      'expired',
      closed('stored', `Retention has removed it from ${where}; what is left begins at ${log.minOffset}.`),
    ]
  return [
    'lost',
    closed('stored', `It was stored in ${where}, but had not reached the disk when the instance crashed.`),
  ]
}

/** Where it came to lie when its time or its transaction was over, nobody was told. */
function goneSinceItWaited(minOffset: number): Answer {
  const reason = 'It was stored to wait, and is not there any more'
  if (minOffset === 0) return ['lost', closed('stored', `${reason}: a crash took it.`)]
  return ['unknown', unknown('stored', `${reason}: retention removed it, or a crash took it.`)]
}

function unsent(history: readonly LedgerEntry[]): Answer {
  const entry = history.findLast((each): each is LedgerEntryOf<'send-failed'> => each.type === 'send-failed')
  if (entry === undefined) return ['not-stored', waiting('stored', 'Its send has not been answered.')]
  const { code, message } = entry.error
  return ['not-stored', closed('stored', `Its send failed with ${code}: ${message}`)]
}
