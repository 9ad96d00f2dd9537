/** What an instance lends to its consumers, of whatever kind. */
import type { Engine } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Inbox } from '../model/inbox.ts'
import type { MessageView } from '../model/message.ts'
import type { Tracing } from '../model/tracing.ts'

/** Messages that a poll, or a round of a loop, handed to the application. */
export interface PolledMessages {
  readonly group: string
  readonly clientId: string
  /** Whether the offsets are those of this member alone. */
  readonly isBroadcasting: boolean
  readonly messages: readonly MessageView[]
}

export interface ConsumerHost {
  readonly engine: Engine
  readonly emit: EmitEvent
  /** Absent without a database of the application. */
  readonly inbox?: Inbox | undefined
  /** Absent where nobody can trace messages. */
  readonly tracing?: Tracing
  /** A name that no other client has, for a consumer of this group. */
  nextClientId(group: string): string
  /** A lite pull consumer handed messages out. Absent where nobody looks. */
  onPolled?(polled: PolledMessages): void
  /** The consumer has closed. */
  onClosed(consumer: object): void
}
