/** What an engine does for requests and replies. A request is sent like any other message; its properties say who asks. */
import { MQError } from './errors.ts'
import type { MessageView } from './message.ts'
import type { OutgoingMessage } from './outgoing-message.ts'
import type { ReplyStatus } from './reply.ts'

/** Replies (RocketMQ `SEND_REPLY_MESSAGE` and `PUSH_REPLY_MESSAGE_TO_CLIENT`, semantics section 3.8). */
export interface RequestVerbs {
  /** Hands replies to a client until the returned function is called; as long as that, the client is online. */
  takeReplies(clientId: string, taker: ReplyTaker): () => void
  /**
   * Hands a reply to the client that sent the request. Rejects with `REQUESTER_NOT_ONLINE` when it is gone. Nothing is stored.
   */
  sendReply(request: ReplyRequest): Promise<ReplyStatus>
}

/** Who waits for replies. */
export interface ReplyTaker {
  /** Takes a reply; false when nobody waits for it. */
  take(correlationId: string, reply: MessageView): boolean
  /** Nobody of this client waits for a reply that came. */
  countDropped(): void
  /** No more replies will come: the engine has ended. */
  end(error: MQError): void
}

export interface ReplyRequest {
  /** The consumer group that replies. */
  readonly group: string
  /** The request as it was delivered. */
  readonly request: MessageView
  /** What is said; its body belongs to the engine. */
  readonly reply: OutgoingMessage
}

/** What an engine passes replies on by; throws `UNSUPPORTED` where it does not. */
export function requestVerbsOf({ requests }: { readonly requests?: RequestVerbs | undefined }): RequestVerbs {
  if (requests === undefined) throw new MQError('UNSUPPORTED', 'This engine passes no replies on.')
  return requests
}
