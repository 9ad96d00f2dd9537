/** What an application writes to consume messages, and what it answers (RocketMQ `MessageListener`, `ConsumeResult`). */
import type { MessageView } from '../model/message.ts'
import type { ConsumeContext } from './consume-context.ts'

/** The answer of a listener. Returning nothing means `SUCCESS`; throwing or rejecting means `FAILURE`. */
export const ConsumeResult = {
  /** The message is done. */
  SUCCESS: 'SUCCESS',
  /** Deliver it again later, and to the dead letters after the last retry. */
  FAILURE: 'FAILURE',
  /** The same, as orderly listeners put it: rest for a while, then deliver it again before anything behind it. */
  SUSPEND_CURRENT_QUEUE_A_MOMENT: 'SUSPEND_CURRENT_QUEUE_A_MOMENT',
} as const
/** The answer of a listener. */
export type ConsumeResult = (typeof ConsumeResult)[keyof typeof ConsumeResult]

// biome-ignore lint/suspicious/noConfusingVoidType: a function declared to return void is a welcome listener.
type Answer = ConsumeResult | undefined | void

/** Consumes one message at a time. An answer that is neither nothing nor a {@link ConsumeResult} counts as a failure. */
export type MessageListener<Received extends MessageView = MessageView> = (
  message: Received,
  context: ConsumeContext,
) => Answer | Promise<Answer>

/** Consumes messages of one queue in arrays of up to `consumeMessageBatchMaxSize`. */
export type BatchMessageListener<Received extends MessageView = MessageView> = (
  messages: readonly Received[],
  context: ConsumeContext,
) => Answer | Promise<Answer>
