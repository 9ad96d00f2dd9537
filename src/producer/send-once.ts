/** Sends that may be repeated: the sender gives the id, and the engine stores the message once within its window. */
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { Message } from '../model/message.ts'
import { isMessageId, parseMessageId } from '../model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../model/outgoing-message.ts'
import type { SendOptions } from './send-options.ts'

/** Checks and completes a message with the id that the options give. */
export function prepareOnce<A>(
  message: Message | readonly Message[],
  { messageId = '', transaction }: SendOptions<A>,
  { supports, clock }: Engine,
): OutgoingMessage {
  if (!isMessageId(messageId))
    throw invalidParameter('The messageId must be 34 hex characters as messageIdFor makes them.')
  if (!supports.deduplication) {
    throw new MQError('UNSUPPORTED', 'This engine does not look for duplicates; leave messageId out.')
  }
  if (Array.isArray(message)) throw illegal('A batch')
  if (transaction !== undefined) throw illegal('A message in a transaction')
  const prepared = prepareMessage(message as Message, parseMessageId(messageId), clock.now())
  if (prepared.delay !== undefined) throw illegal('A delayed message')
  return { ...prepared, isSentOnce: true }
}

function illegal(what: string): MQError {
  return new MQError(
    'MESSAGE_ILLEGAL',
    `${what} cannot be sent with a messageId: only what goes to its queue at once is looked for.`,
  )
}
