/** A request as a consumer gives it: one that can be replied to. */
import type { MessageView } from '../model/message.ts'
import type { Reply, ReplyReceipt } from '../model/reply.ts'
import { WrappedMessage } from './wrapped-message.ts'

/** Sends a reply to a request. */
export type SendReply = (request: MessageView, reply: string | Uint8Array | Reply) => Promise<ReplyReceipt>

export class RequestMessage extends WrappedMessage {
  readonly #send: SendReply

  constructor(request: MessageView, send: SendReply) {
    super(request)
    this.#send = send
  }

  override reply(reply: string | Uint8Array | Reply): Promise<ReplyReceipt> {
    return this.#send(this, reply)
  }
}
