/** What an instance lends to its consumers, of whatever kind. */
import type { Engine } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'

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
  /** A name that no other client has, for a consumer of this group. */
  nextClientId(group: string): string
  /** A lite pull consumer handed messages out. Absent where nobody looks. */
  onPolled?(polled: PolledMessages): void
  /** The consumer has closed. */
  onClosed(consumer: object): void
}
