/**
 * 25. Requests: one reply counts, the first, and only one to this very request; behind its time a request has failed, to the
 * millisecond, and nothing else becomes of it. Who replies is told the truth: that the requester has it, that nobody waits any
 * more, that the requester is gone, or that there was no question.
 */
import type { SimEvent, SimEventOf, Stamp } from '../events.ts'
import type { ReplyCall, RequestCall } from '../request-events.ts'
import type { Checker, CheckerHost } from './checker.ts'

interface Request {
  readonly call: RequestCall
  readonly life: number
  readonly calledMs: number
  correlationId: string | undefined
  endedMs: number | undefined
  /** How it ended, in words. */
  end: string
  /** Replies that were given, by id. */
  readonly replies: Map<number, ReplyCall>
  /** Given, and nobody knows yet whether they arrived. */
  readonly underWay: Set<number>
  /** The one that arrived, as its sender was told. */
  delivered: number | undefined
}

/** What may be said to who replies. */
type Expected = 'DELIVERED' | 'DROPPED' | 'REQUESTER_NOT_ONLINE' | 'CREATE_REPLY_MESSAGE'

/** Of the test itself, or of an instance that closes. */
const ALWAYS_POSSIBLE: ReadonlySet<string | undefined> = new Set([
  'SERVICE_NOT_AVAILABLE',
  'SYSTEM_ERROR',
  'CLOSED',
])

export class Replies implements Checker {
  readonly #host: CheckerHost
  readonly #requests = new Map<number, Request>()
  /** Requests of this life that have not ended. */
  readonly #open = new Set<Request>()
  /** Producers that have asked something and not left. */
  readonly #online = new Set<string>()
  /** What may be said, and when the reply was given, by its id. */
  readonly #expected = new Map<number, { readonly said: ReadonlySet<Expected>; readonly givenMs: number }>()
  #isClosing = false

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, stamp: Stamp): void {
    switch (event.type) {
      case 'requesting':
        this.#begin(event, stamp)
        return
      case 'identified':
        this.#identify(event)
        return
      case 'request-answered':
        this.#checkAnswer(event, stamp)
        return
      case 'request-failed':
        this.#checkFailure(event, stamp)
        return
      case 'requester-leaving':
        this.#online.delete(event.producer)
        return
      case 'replying':
        this.#expect(event.reply, stamp)
        return
      case 'replied':
        this.#checkTold(event.reply, event.status, stamp)
        return
      case 'reply-failed':
        this.#checkRefused(event)
        return
      case 'closing':
        this.#isClosing = true
        return
      case 'opened':
        this.#isClosing = false
        this.#open.clear()
        this.#online.clear()
        return
      case 'scanned':
      case 'probed':
        for (const request of this.#open) this.#checkOpen(request, stamp)
    }
  }

  #begin({ request: call }: SimEventOf<'requesting'>, { elapsedMs, life }: Stamp): void {
    const request: Request = {
      call,
      life,
      calledMs: elapsedMs,
      correlationId: undefined,
      endedMs: undefined,
      end: 'nothing',
      replies: new Map(),
      underWay: new Set(),
      delivered: undefined,
    }
    this.#requests.set(call.number, request)
    this.#open.add(request)
    this.#online.add(call.producer)
  }

  #identify({ number, correlationId }: SimEventOf<'identified'>): void {
    const request = this.#requests.get(number)
    if (request !== undefined) request.correlationId = correlationId
    const other = [...this.#requests.values()].find(
      (each) => each.correlationId === correlationId && each.call.number !== number,
    )
    if (other !== undefined)
      this.#violate(number, `it is called ${correlationId}, as is ${other.call.number}`)
  }

  #checkAnswer(
    { request: { number, timeoutMs }, reply }: SimEventOf<'request-answered'>,
    stamp: Stamp,
  ): void {
    const request = this.#end(number, stamp, `reply ${reply.id}`)
    const tookMs = stamp.elapsedMs - request.calledMs
    if (tookMs > timeoutMs) this.#violate(number, `it is answered ${tookMs - timeoutMs} ms behind its time`)
    if (reply.number !== number) this.#violate(number, `it is answered by a reply to ${reply.number}`)
    else if (!request.replies.has(reply.id)) this.#violate(number, `nobody gave the reply ${reply.id}`)
    if (reply.correlationId !== request.correlationId)
      this.#violate(number, `it is ${request.correlationId}, and its reply is to ${reply.correlationId}`)
    if (request.delivered !== undefined && request.delivered !== reply.id)
      this.#violate(number, `the reply ${request.delivered} arrived, and ${reply.id} counts`)
  }

  #checkFailure(
    { request: { number, timeoutMs }, refusal }: SimEventOf<'request-failed'>,
    stamp: Stamp,
  ): void {
    const { code, outcome, text } = refusal
    const request = this.#end(number, stamp, String(code))
    const tookMs = stamp.elapsedMs - request.calledMs
    if (code === undefined) this.#violate(number, `it failed without a code: ${text}`)
    if (code === 'REQUEST_TIMEOUT' ? tookMs !== timeoutMs : tookMs > timeoutMs)
      this.#violate(number, `it failed with ${code} after ${tookMs} ms instead of ${timeoutMs}`)
    if (request.delivered !== undefined)
      this.#violate(number, `the reply ${request.delivered} arrived, and it failed with ${code}`)
    if (code === 'CLOSED' && this.#online.has(request.call.producer) && !this.#isClosing)
      this.#violate(number, `it failed with CLOSED, and ${request.call.producer} was not`)
    const state = this.#host.model.sends.of(number)?.state
    if (code === 'REQUEST_TIMEOUT' && outcome === undefined && state !== 'stored')
      this.#violate(number, `nobody replied in time, it says; but it is ${state}`)
  }

  #end(number: number, { elapsedMs }: Stamp, how: string): Request {
    const request = this.#requests.get(number)!
    if (request.endedMs !== undefined)
      this.#violate(number, `it ended with ${request.end} and then with ${how}`)
    request.endedMs ??= elapsedMs
    request.end = how
    this.#open.delete(request)
    return request
  }

  /** What has to be said to who replies now. */
  #expect(reply: ReplyCall, stamp: Stamp): void {
    const request = this.#requests.get(reply.number)
    this.#expected.set(reply.id, {
      said: this.#possible(reply, request, stamp),
      givenMs: stamp.elapsedMs,
    })
    if (request === undefined) return
    request.replies.set(reply.id, reply)
    request.underWay.add(reply.id)
    const isSame = request.correlationId === reply.correlationId && request.call.producer === reply.replyTo
    if (!isSame) this.#violate(reply.number, `it came as ${reply.correlationId} of ${reply.replyTo}`)
  }

  #possible(
    { isRequest, replyTo = '' }: ReplyCall,
    request: Request | undefined,
    { elapsedMs, life }: Stamp,
  ): ReadonlySet<Expected> {
    if (!isRequest || request === undefined) return new Set(['CREATE_REPLY_MESSAGE'])
    if (!this.#online.has(replyTo)) return new Set(['REQUESTER_NOT_ONLINE'])
    const { calledMs, call, endedMs, delivered, underWay } = request
    const restMs = calledMs + call.timeoutMs - elapsedMs
    // It ended before this moment, or somebody else was first.
    if (request.life !== life || restMs < 0 || (endedMs ?? elapsedMs) < elapsedMs || delivered !== undefined)
      return new Set(['DROPPED'])
    if (restMs === 0 || endedMs !== undefined || underWay.size > 0) return new Set(['DELIVERED', 'DROPPED'])
    return new Set(['DELIVERED'])
  }

  #checkTold({ id, number }: ReplyCall, status: 'DELIVERED' | 'DROPPED', { elapsedMs }: Stamp): void {
    const request = this.#requests.get(number)
    const { said, givenMs } = this.#expected.get(id)!
    // At the moment in which it was given the request may have failed.
    const isCrossed = status === 'DROPPED' && request?.endedMs === givenMs
    if (!said.has(status) && !isCrossed)
      this.#violate(number, `the reply ${id} was ${status} instead of ${[...said].join(' or ')}`)
    request?.underWay.delete(id)
    if (request === undefined || status === 'DROPPED') return
    if (request.delivered !== undefined)
      this.#violate(number, `the replies ${request.delivered} and ${id} arrived, both`)
    request.delivered = id
    if (request.endedMs !== undefined && request.end !== `reply ${id}`)
      this.#violate(number, `the reply ${id} arrived, and it ended with ${request.end}`)
    if (request.endedMs === undefined && elapsedMs - request.calledMs > request.call.timeoutMs)
      this.#violate(number, `the reply ${id} arrived behind its time`)
  }

  #checkRefused({ reply: { id, number }, refusal }: SimEventOf<'reply-failed'>): void {
    const { code, text } = refusal
    const { said } = this.#expected.get(id)!
    // What is known not to have arrived is out of the way; of another one nobody knows.
    if (code !== 'SYSTEM_ERROR') this.#requests.get(number)?.underWay.delete(id)
    if (said.has(code as Expected) || ALWAYS_POSSIBLE.has(code)) return
    this.#violate(number, `the reply ${id} was refused: ${code} ${text}`)
  }

  #checkOpen({ call, calledMs }: Request, { elapsedMs }: Stamp): void {
    if (elapsedMs - calledMs > call.timeoutMs)
      this.#violate(call.number, `${elapsedMs - calledMs} ms after it was called nobody was told anything`)
  }

  #violate(number: number, story: string): void {
    this.#host.violate(25, `the request ${number}: ${story}`)
  }
}
