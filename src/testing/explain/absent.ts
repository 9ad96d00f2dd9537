/** A message of which no copy is stored: the ledger knows why. */
import { MQError } from '../../model/errors.ts'
import type { LedgerEntry, LedgerEntryOf } from '../ledger.ts'
import { Explanation, type ExplanationVerdict } from './explanation.ts'
import { closed, type Gate, passed, timeText, waiting } from './gate.ts'
import type { InstanceView } from './instance-view.ts'

/** Explains it; `NO_MESSAGE` for an id that was neither stored nor sent in this test. */
export function explainAbsent(view: InstanceView, messageId: string, group: string): Explanation {
  const history = view.ledger.history(messageId)
  if (history.length === 0)
    throw new MQError('NO_MESSAGE', `No message ${messageId} is stored, and none was sent in this test.`)
  const [verdict, gate] =
    consumed(history, group) ?? withdrawn(history) ?? gone(view, history) ?? unsent(history)
  return new Explanation({ messageId, group, verdict, gate, copies: [] })
}

type Answer = readonly [verdict: ExplanationVerdict, gate: Gate]

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

function unsent(history: readonly LedgerEntry[]): Answer {
  const entry = history.findLast((each): each is LedgerEntryOf<'send-failed'> => each.type === 'send-failed')
  if (entry === undefined) return ['not-stored', waiting('stored', 'Its send has not been answered.')]
  const { code, message } = entry.error
  return ['not-stored', closed('stored', `Its send failed with ${code}: ${message}`)]
}
