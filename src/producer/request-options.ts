/** What may be said about one request besides the message. */
import { invalidParameter, MQError } from '../model/errors.ts'
import type { Message } from '../model/message.ts'
import type { Destination } from '../model/typed-message.ts'
import { checkSendOptions, type SendOptions } from './send-options.ts'

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

/** Refuses what has no reply, or one that would come too late (RocketMQ has no such check). */
export function checkRequest<A>(message: Message<Destination>, options: RequestOptions<A>): void {
  if (Array.isArray(message)) throw illegal('A batch cannot be a request: one reply answers one message.')
  if (typeof message !== 'object' || message === null)
    throw illegal('A request must be an object with topic and body.')
  const { delayTimeLevel = 0, deliveryTimestamp } = message
  if (delayTimeLevel !== 0 || deliveryTimestamp !== undefined)
    throw illegal('A delayed message cannot be a request: somebody waits for the reply.')
  checkSendOptions(options)
  if (Reflect.get(options, 'transaction') !== undefined)
    throw invalidParameter('A request cannot be part of a transaction: its reply would have to wait for it.')
  if (Reflect.get(options, 'messageId') !== undefined)
    throw invalidParameter('A request cannot be repeated under its messageId: each has a reply of its own.')
  if (Reflect.get(options, 'batch') !== undefined)
    throw invalidParameter(
      'A request cannot wait for a batch of your database: somebody waits for the reply.',
    )
}

function illegal(text: string): MQError {
  return new MQError('MESSAGE_ILLEGAL', text)
}
