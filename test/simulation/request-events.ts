/** Events of requests and replies. The send of a request, and what became of it, are told as those of any message. */
import type { Refusal } from './events.ts'

export interface RequestCall {
  /** Of its message. */
  readonly number: number
  readonly producer: string
  readonly timeoutMs: number
}

export interface ReplyCall {
  readonly id: number
  readonly group: string
  readonly member: string
  /** Of the message that is replied to. */
  readonly number: number
  readonly isRequest: boolean
  readonly correlationId: string | undefined
  /** The producer that asked, as the message says. */
  readonly replyTo: string | undefined
}

/** A reply as the requester gets it. */
export interface FoundReply {
  /** Of the reply; -1 when its body is not one that was said. */
  readonly id: number
  readonly number: number
  readonly correlationId: string | undefined
}

export type RequestEvent =
  | { readonly type: 'requesting'; readonly request: RequestCall }
  /** The request on its way to the store. */
  | { readonly type: 'identified'; readonly number: number; readonly correlationId: string }
  | { readonly type: 'request-answered'; readonly request: RequestCall; readonly reply: FoundReply }
  | { readonly type: 'request-failed'; readonly request: RequestCall; readonly refusal: Refusal }
  /** From here on nobody of this name waits. */
  | { readonly type: 'requester-leaving'; readonly producer: string }
  | { readonly type: 'replying'; readonly reply: ReplyCall }
  | { readonly type: 'replied'; readonly reply: ReplyCall; readonly status: 'DELIVERED' | 'DROPPED' }
  | { readonly type: 'reply-failed'; readonly reply: ReplyCall; readonly refusal: Refusal }
