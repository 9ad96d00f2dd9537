/**
 * Passes replies on to who asked (RocketMQ `ReplyMessageProcessor`, semantics section 3.8): from hand to hand, in memory. Nothing is
 * stored: a requester that is gone has forgotten its question. See decision 15.
 */
import type { Clock } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import { PropertyName } from '../model/properties.ts'
import { notReplyable, type ReplyStatus } from '../model/reply.ts'
import type { ReplyRequest, ReplyTaker, RequestVerbs } from '../model/request-verbs.ts'
import { ReplyMessage } from './reply-message.ts'

export class Requests implements RequestVerbs {
  readonly #clock: Clock
  /** By client id, which producers of different groups may share. */
  readonly #takers = new Map<string, Set<ReplyTaker>>()
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  takeReplies(clientId: string, taker: ReplyTaker): () => void {
    const takers = this.#takers.get(clientId) ?? new Set()
    takers.add(taker)
    this.#takers.set(clientId, takers)
    return () => {
      takers.delete(taker)
      if (takers.size === 0 && this.#takers.get(clientId) === takers) this.#takers.delete(clientId)
    }
  }

  async sendReply({ request, reply }: ReplyRequest): Promise<ReplyStatus> {
    if (this.#isClosed) throw closed()
    const { [PropertyName.CORRELATION_ID]: id, [PropertyName.REPLY_TO_CLIENT]: replyTo } = request.properties
    if (id === undefined || replyTo === undefined) throw notReplyable(request)
    const takers = this.#takers.get(replyTo)
    if (takers === undefined) throw notOnline(request.messageId, replyTo)
    const message = new ReplyMessage(reply, request.queue.brokerName, this.#clock.now())
    const all = [...takers]
    if (all.some((taker) => taker.take(id, message))) return 'DELIVERED'
    for (const taker of all) taker.countDropped()
    return 'DROPPED'
  }

  /** Tells who waits still that nothing will come. */
  close(): void {
    this.#isClosed = true
    const takers = [...this.#takers.values()].flatMap((each) => [...each])
    this.#takers.clear()
    for (const taker of takers) taker.end(closed())
  }
}

function notOnline(messageId: string, clientId: string): MQError {
  const text = `The producer '${clientId}' that sent the request ${messageId} is closed or gone; nobody waits for the reply.`
  return new MQError('REQUESTER_NOT_ONLINE', text)
}

function closed(): MQError {
  return new MQError('CLOSED', 'The engine is closed; no replies are passed on.')
}
