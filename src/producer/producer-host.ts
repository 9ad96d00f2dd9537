/** What an instance lends to its producers, and what a producer tells of itself. */
import type { Engine } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'
import type { MessageIdGenerator } from '../model/message-id.ts'
import type { IntentTaker } from '../model/outbox.ts'
import type { Tracing } from '../model/tracing.ts'
import type { ProcessHold } from './requests.ts'

/** What an instance lends to its producers. */
export interface ProducerHost {
  readonly engine: Engine
  readonly ids: MessageIdGenerator
  readonly emit: EmitEvent
  /** Most bytes of sends that may wait, `maxPendingSendBytes` of the instance; absent for no bound. */
  readonly maxPendingSendBytes?: number | undefined
  /** Absent without a database of the application. */
  readonly outbox?: IntentTaker | undefined
  /** Absent where nobody can trace messages. */
  readonly tracing?: Tracing
  /** Absent where the process runs anyway. */
  readonly keepAlive?: ProcessHold
  /** A name that no other client has. */
  nextClientId(): string
  /** The producer has closed. */
  onClosed(producer: object): void
}

/** Numbers of a producer since it was started. */
export interface ProducerStats {
  /** One-way sends that are not stored yet. */
  readonly onewayOutstandingCount: number
  /** One-way sends that failed; each was told by an `error` event. */
  readonly onewayFailedCount: number
  /** Requests that wait for their replies. */
  readonly requestOutstandingCount: number
  /** Replies that came when nobody waited for them any more: too late, or behind another one. */
  readonly droppedReplyCount: number
}
