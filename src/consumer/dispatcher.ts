/**
 * What runs the listener, in whichever mode: pull loops offer what they have fetched, and the dispatcher decides when each
 * message is delivered and what its end means.
 */
import type { Clock } from '../model/clock.ts'
import type { MQError } from '../model/errors.ts'
import type { WarningEvent } from '../model/events.ts'
import type { Inbox } from '../model/inbox.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { ConsumeCounts } from './consume-counts.ts'
import type { DeliveryWatch } from './delivery-watch.ts'
import type { BatchMessageListener, MessageListener } from './message-listener.ts'
import type { ProcessQueue } from './process-queue.ts'
import type { RateLimit } from './rate-limiter.ts'
import type { TopicValues } from './topic-values.ts'

/** The listener in the form that the options ask for. */
export type Listener =
  | { readonly kind: 'single'; readonly listen: MessageListener }
  | { readonly kind: 'batch'; readonly listen: BatchMessageListener; readonly maxCount: number }

/** What every dispatcher needs of its consumer. */
export interface DispatcherHost {
  readonly clock: Clock
  readonly group: string
  readonly listener: Listener
  readonly concurrency: number
  readonly consumeTimeoutMs: number
  readonly rateLimit?: RateLimit | undefined
  readonly counts: ConsumeCounts
  /** Absent when nobody can want to know of calls. */
  readonly watch: DeliveryWatch | undefined
  /** Absent without typed topics: then no message is read before the listener is called. */
  readonly values?: TopicValues | undefined
  /** Absent where listeners cannot write acknowledgements together with their own state. */
  readonly inbox?: Inbox | undefined
  onWarning(event: WarningEvent): void
  onError(error: MQError): void
}

export interface Dispatcher {
  readonly isPaused: boolean
  /** Calls of the listener that have not settled. */
  readonly runningCount: number
  /** Until when the rate limit lets nothing start, in monotonic time; `undefined` when it holds nothing back. */
  readonly heldUntilMs: number | undefined
  /** When a message that failed and stays where it is is delivered again, in monotonic time. */
  redeliveryMs(queue: MessageQueue, offset: number): number | undefined
  /** The offset of the message that must be done before this one is delivered, as the order demands. */
  blockerOf(queue: MessageQueue, offset: number): number | undefined
  /** This queue has messages to start. */
  offer(queue: ProcessQueue): void
  /** Starts nothing more until `resume`. */
  pause(): void
  resume(): void
  /** Starts nothing more and lets no answer count from now on. */
  abandonAll(reason: MQError): void
}
