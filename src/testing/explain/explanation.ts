/** The answer of `mq.explain`. */
import type { MessageQueue } from '../../model/message-queue.ts'
import { firstShut, type Gate, timeText } from './gate.ts'

/**
 * How a message stands with a group:
 *
 * - `consumed`: a listener of the group is done with it, or an application that received or polled it.
 * - `delivering`: it is in a listener, or in the hands of such an application.
 * - `waiting`: it is delivered by itself, at {@link Explanation.opensTimestamp} if that is known.
 * - `blocked`: it is not delivered before somebody changes something.
 * - `filtered`: no member's tag expression lets it pass, so the group passes it by.
 * - `skipped`: the group began behind it, or was reset to behind it.
 * - `dead-letter`: it failed for good.
 * - `dropped`: it failed for good, and its group is broadcasting, which has no dead letters.
 * - `expired`: retention removed it, or its topic was deleted, before the group was done with it.
 * - `lost`: it was acknowledged, and a crash took it.
 * - `not-stored`: its send failed or has not been answered, or it was taken back.
 * - `unknown`: the group stands behind it, and nothing tells any more what became of it.
 */
export type ExplanationVerdict =
  | 'consumed'
  | 'delivering'
  | 'waiting'
  | 'blocked'
  | 'filtered'
  | 'skipped'
  | 'dead-letter'
  | 'dropped'
  | 'expired'
  | 'lost'
  | 'not-stored'
  | 'unknown'

/** As {@link ExplanationVerdict}; `retried`: it failed, and a later copy goes on in its place. */
export type CopyVerdict = ExplanationVerdict | 'retried'

/** How a copy stands, and the gates that say so. */
export interface Outcome {
  readonly verdict: CopyVerdict
  readonly gates: readonly Gate[]
}

/** One stored copy of a message: as it was sent, as a retry of the group, or as its dead letter. */
export interface ExplainedCopy {
  readonly kind: 'original' | 'retry' | 'dead-letter'
  readonly queue: MessageQueue
  readonly queueOffset: number
  readonly storeTimestamp: number
  readonly deliveryAttempt: number
  /** In a broadcasting group: the member whose way of the copy it is. */
  readonly clientId?: string | undefined
  readonly verdict: CopyVerdict
  /** The gates on its way, in order; of a copy that the group is done with only those that tell what became of it. */
  readonly gates: readonly Gate[]
}

interface ExplanationFields {
  readonly messageId: string
  readonly group: string
  readonly verdict: ExplanationVerdict
  readonly gate: Gate | undefined
  readonly copies: readonly ExplainedCopy[]
}

/** Why a message did, or did not, reach a group. Printed, it is a text that fits into the failure of a test. */
export class Explanation {
  readonly messageId: string
  readonly group: string
  /** How the message stands with the group. */
  readonly verdict: ExplanationVerdict
  /** The gate that decides: the first that is shut on the way of the latest copy; `undefined` when none is. */
  readonly gate: Gate | undefined
  /** Every stored copy that concerns the group, oldest first. */
  readonly copies: readonly ExplainedCopy[]

  constructor({ messageId, group, verdict, gate, copies }: ExplanationFields) {
    this.messageId = messageId
    this.group = group
    this.verdict = verdict
    this.gate = gate
    this.copies = copies
  }

  /** When the gate opens that holds the message back, in milliseconds since 1970, where that is known. */
  get opensTimestamp(): number | undefined {
    return this.gate?.opensTimestamp
  }

  /** The whole explanation in words, over several lines. */
  text(): string {
    const until = this.opensTimestamp === undefined ? '' : ` until ${timeText(this.opensTimestamp)}`
    const lines = [`Message ${this.messageId} for the group '${this.group}': ${this.verdict}${until}.`]
    if (this.gate !== undefined) lines.push(`  ${this.gate.reason}`)
    for (const copy of this.copies) lines.push(...linesOf(copy))
    return lines.join('\n')
  }

  toString(): string {
    return this.text()
  }
}

function linesOf({ kind, queue, queueOffset, clientId, verdict, gates }: ExplainedCopy): string[] {
  const whose = clientId === undefined ? '' : ` for '${clientId}'`
  const head = `  ${kind} in '${queue.topic}', queue ${queue.queueId}, offset ${queueOffset}${whose}: ${verdict}`
  const last = gates.indexOf(firstShut(gates) as Gate)
  // Behind the gate that holds it back only what would hold it back as well is worth a line.
  const told = gates.filter(
    ({ verdict: standing }, index) =>
      last === -1 || index <= last || standing === 'closed' || standing === 'waiting',
  )
  return [
    head,
    ...told.map(
      ({ name, verdict: standing, reason }) => `    ${name.padEnd(13)}${standing.padEnd(9)}${reason}`,
    ),
  ]
}
