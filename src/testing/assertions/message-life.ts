/** The ledger read by message: what each carries, how its send ended, and all that happened to it. */
import type { Ledger, LedgerEntry, LedgerEntryOf, LedgerEventType, SentContent } from '../ledger.ts'

/**
 * How a send ended: it was stored, the sender was told of a failure, or neither yet. A message that the ledger did not see
 * sent, because it was stored before, counts as stored.
 */
export type SendOutcome = 'stored' | 'failed' | 'pending'

export interface MessageLife {
  readonly messageId: string
  readonly topic: string
  /** Unknown when the ledger saw it neither sent nor delivered. */
  readonly content: SentContent | undefined
  readonly outcome: SendOutcome
  /** Oldest first, at the same time its send before what groups did, group by group; never empty. */
  readonly entries: readonly LedgerEntry[]
}

/** Every message of the ledger, in the order in which they first appear. */
export function livesIn(ledger: Ledger): MessageLife[] {
  const byMessage = new Map<string, LedgerEntry[]>()
  for (const entry of ledger.entries) {
    const entries = byMessage.get(entry.messageId)
    if (entries === undefined) byMessage.set(entry.messageId, [entry])
    else entries.push(entry)
  }
  return [...byMessage].map(([messageId, entries]) => ({
    messageId,
    topic: entries[0]!.topic,
    content: ledger.contentOf(messageId),
    outcome: outcomeOf(entries),
    entries: inOrder(entries),
  }))
}

/** What happened to a message of one kind, in one group if one is named. */
export function entriesOf<Type extends LedgerEventType>(
  { entries }: MessageLife,
  type: Type,
  group?: string,
): LedgerEntryOf<Type>[] {
  return entries.filter(
    (entry): entry is LedgerEntryOf<Type> =>
      entry.type === type && (group === undefined || ('group' in entry && entry.group === group)),
  )
}

/**
 * A sender may hear of its send after a group got the message, and which of two groups is first is nobody's promise: the
 * order within a moment is made the same in every run.
 */
function inOrder(entries: readonly LedgerEntry[]): LedgerEntry[] {
  let moment = 0
  const keyed = entries.map((entry, index) => {
    // A clock that was set back does not turn the order round.
    if (entry.timestamp !== entries[index - 1]?.timestamp) moment += 1
    return { entry, moment, group: 'group' in entry ? entry.group : '' }
  })
  keyed.sort((a, b) => a.moment - b.moment || (a.group < b.group ? -1 : Number(a.group > b.group)))
  return keyed.map(({ entry }) => entry)
}

/** A producer that tries a send again does so with the same id, so the last word counts. */
function outcomeOf(entries: readonly LedgerEntry[]): SendOutcome {
  const types = new Set(entries.map(({ type }) => type))
  if (types.has('stored') || types.has('deduplicated') || !types.has('sent')) return 'stored'
  return types.has('send-failed') ? 'failed' : 'pending'
}
