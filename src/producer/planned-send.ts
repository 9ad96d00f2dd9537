/** A checked send that lacks nothing but the route of its topic, and what becomes of it when it belongs into a batch of the application. */
import { invalidParameter } from '../model/errors.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { IntentTaker, OutboxReceipt } from '../model/outbox.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { TracedClient, Tracing } from '../model/tracing.ts'
import { withOwnBody } from './outgoing-batch.ts'
import type { PublishRoute, RouteCheck } from './publish-routes.ts'
import type { OutboxSendOptions, SendOptions } from './send-options.ts'
import { withCarriedContext } from './send-trace.ts'
import type { Transaction } from './transaction.ts'

export interface PlannedSend {
  readonly topic: string
  readonly messages: OutgoingMessage | readonly OutgoingMessage[]
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly chooseQueue: (route: PublishRoute) => MessageQueue
  readonly checkRoute?: RouteCheck | undefined
  readonly transaction?: Transaction | undefined
  /** Puts it into a batch of the application instead of sending it. */
  readonly enlist?: ((route: PublishRoute) => OutboxReceipt) | undefined
}

/** The same, for a send that has to wait: the caller may use its buffers meanwhile. */
export function withOwnBodies(plan: PlannedSend): PlannedSend {
  const { messages } = plan
  return { ...plan, messages: 'topic' in messages ? withOwnBody(messages) : messages.map(withOwnBody) }
}

/** Who puts sends into batches. */
interface Enlister extends TracedClient {
  readonly outbox: IntentTaker | undefined
  readonly tracing: Tracing | undefined
}

/** How a send is put into the batch that its options name; absent when they name none. */
export function enlisting<A>(
  plan: PlannedSend,
  options: SendOptions<A> & Partial<Pick<OutboxSendOptions<A>, 'batch'>>,
  { outbox, group, clientId, tracing }: Enlister,
): PlannedSend {
  const { batch, queue, selector } = options
  if (batch === undefined) return plan
  if (outbox === undefined)
    throw invalidParameter('A batch needs the database that it is of: PocketMQ.open(path, { database }).')
  const own = withOwnBodies(plan)
  const { timeoutMs } = own
  const isQueueChosen = (queue ?? selector) !== undefined
  const enlist = (route: PublishRoute): OutboxReceipt => {
    const chosen = isQueueChosen ? plan.chooseQueue(route) : undefined
    const messages = withCarriedContext(own.messages, tracing)
    outbox.add(batch, { producerGroup: group, clientId, queue: chosen, timeoutMs, messages })
    return receiptOf('topic' in messages ? [messages] : messages)
  }
  return { ...own, enlist }
}

function receiptOf(messages: readonly OutgoingMessage[]): OutboxReceipt {
  const messageIds = messages.map(({ messageId }) => formatMessageId(messageId))
  return { messageId: messageIds[0]!, messageIds, messageCount: messageIds.length }
}
