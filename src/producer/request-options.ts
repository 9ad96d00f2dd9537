/** What may be said about one request besides the message. */
import { invalidParameter, MQError } from '../model/errors.ts'
import type { Message } from '../model/message.ts'
import { readMessage } from '../model/outgoing-message.ts'
import type { Destination } from '../model/typed-message.ts'
import { type ReadSendOptions, readSendOptions, type SendOptions } from './send-options.ts'

/** Options of one `request`. */
export interface RequestOptions<A = unknown> extends Pick<SendOptions<A>, 'queue' | 'selector' | 'arg'> {
  /**
   * How long to wait for the reply, counted from the call, in milliseconds; then it rejects with `REQUEST_TIMEOUT`. Default: the
   * producer's `sendMsgTimeoutMs`, 3000. The request takes it along as its property `TTL`.
   */
  readonly timeoutMs?: number | undefined
  /** Ends the wait with `ABORTED`. What is stored by then is consumed all the same. */
  readonly signal?: AbortSignal | undefined
}

/** Reads a request; refuses what has no reply, or one that would come too late (RocketMQ has no such check). */
export function readRequest<A, To extends Destination>(
  message: Message<To>,
  options: RequestOptions<A>,
): { readonly read: Message<To>; readonly wish: ReadSendOptions<A> } {
  if (Array.isArray(message)) throw illegal('A batch cannot be a request: one reply answers one message.')
  if (typeof message !== 'object' || message === null)
    throw illegal('A request must be an object with topic and body.')
  const read = readMessage(message)
  const { delayTimeLevel = 0, deliveryTimestamp } = read
  if (delayTimeLevel !== 0 || deliveryTimestamp !== undefined)
    throw illegal('A delayed message cannot be a request: somebody waits for the reply.')
  const wish = readSendOptions(options)
  if (wish.transaction !== undefined)
    throw invalidParameter('A request cannot be part of a transaction: its reply would have to wait for it.')
  if (wish.messageId !== undefined)
    throw invalidParameter('A request cannot be repeated under its messageId: each has a reply of its own.')
  if (wish.batch !== undefined)
    throw invalidParameter(
      'A request cannot wait for a batch of your database: somebody waits for the reply.',
    )
  return { read, wish }
}

function illegal(text: string): MQError {
  return new MQError('MESSAGE_ILLEGAL', text)
}
