/** What consumers need of an inbox: somebody who writes acknowledgements together with the state of the application. */
import type { ChainedBatch } from './chained-batch.ts'
import type { MessageView } from './message.ts'

/** A message that a listener was called for. */
export interface CommittedMessage {
  readonly message: MessageView
  /** Whether an earlier member may have been given it, and may have left a retry of it that is on its way. */
  readonly isInherited: boolean
}

/** What a message is known by, also when it comes as a retry: one id may be given in several topics. */
export type ConsumedOnce = Pick<MessageView, 'topic' | 'messageId'>

export interface Inbox {
  /** Whether the group has committed this message: it must not be delivered again. */
  isCommitted(group: string, message: ConsumedOnce): boolean
  /** Resolves, whatever becomes of it, when no commit of this message is under way. */
  settled(group: string, message: ConsumedOnce): Promise<void>
  /**
   * Writes the batch, and with it that these messages are done. Rejects with `INVALID_PARAMETER` for a batch that cannot take that, with
   * `ILLEGAL_OPERATION` when one of them is done already, and with `BATCH_FAILED`.
   */
  commit(
    group: string,
    messages: readonly CommittedMessage[],
    batch: ChainedBatch,
    options: object | undefined,
  ): Promise<void>
}
