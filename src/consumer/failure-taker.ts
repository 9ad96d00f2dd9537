/** Where failed messages go when their order does not matter: each message model has its own way. */
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { ProcessQueue } from './process-queue.ts'

export interface FailureTaker {
  /** What becomes of a failed message, as the end of a sentence. */
  readonly fate: string
  /** Takes over a running message, and finishes it in its queue as soon as nothing is lost any more. */
  fail(queue: ProcessQueue, sequence: number, delayLevel: number, reason: string): void
  /** Whether a message that was not started here yet rests first, as it failed before; absent where nothing that failed stays. */
  restsFirst?(message: MessageView): boolean
  /** Sets such a message aside; it is running. */
  rest?(queue: ProcessQueue, sequence: number): void
  /** When a message that stayed where it is is delivered again, in monotonic time. */
  redeliveryMs(queue: MessageQueue, offset: number): number | undefined
  /** Nothing is delivered again after this. */
  stop(): void
}
