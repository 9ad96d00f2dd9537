/** Assertions on what happened in a test instance, for any test framework. */
import { AssertionError } from 'node:assert'
import { invalidParameter } from '../model/errors.ts'
import { checkClaim } from './assertions/check-claim.ts'
import {
  type Claim,
  type DeadLetterOptions,
  deadLetterClaim,
  type EndType,
  endClaim,
  type MemberOptions,
  memberClaim,
  retriedClaim,
  type TimesOptions,
} from './assertions/claims.ts'
import { evidenceOf, type Failure } from './assertions/evidence.ts'
import { type MessageMatcher, parseMatcher, type SendMatcher } from './assertions/message-matcher.ts'
import { checkSent } from './assertions/sent-claim.ts'
import type { TestMQ } from './test-mq.ts'

/**
 * Asserts on what the ledger of a test instance holds by now; let things happen first, by `mq.settled()` or the clock. What is
 * not as expected throws an `AssertionError` that tells what there was instead; a matcher with an unknown field throws
 * `INVALID_PARAMETER`.
 *
 * @example
 * ```ts
 * import { createTestMQ, expectMQ } from 'pocketmq/testing'
 * await using mq = await createTestMQ()
 * const producer = await mq.createProducer({ group: 'shop' })
 * await producer.send({ topic: 'orders', tag: 'paid', keys: 'o-1', body: '{"amount":7}' })
 *
 * expectMQ(mq).sent({ topic: 'orders', tag: 'paid', json: { amount: 7 }, times: 1 })
 * expectMQ(mq).not.sent({ topic: 'invoices' })
 * expectMQ(mq).message({ keys: 'o-1' }).not.deliveredTo('billing')
 * ```
 */
export function expectMQ(mq: TestMQ): MQExpectation {
  evidenceOf(mq)
  return new MQExpectation(mq)
}

/** What {@link expectMQ} answers. */
export class MQExpectation {
  readonly #mq: TestMQ
  readonly #isNegated: boolean

  constructor(mq: TestMQ, isNegated = false) {
    this.#mq = mq
    this.#isNegated = isNegated
  }

  /** Turns the next assertion round. */
  get not(): Pick<MQExpectation, 'sent'> {
    return new MQExpectation(this.#mq, !this.#isNegated)
  }

  /** A message that matches was sent, or as many as `times` says. Sends that failed count only if `outcome` asks for them. */
  sent(matcher: SendMatcher = {}): MQExpectation {
    raise('sent', checkSent(evidenceOf(this.#mq), matcher, this.#isNegated), this.sent)
    return new MQExpectation(this.#mq)
  }

  /**
   * The message with this id, or the messages that match, taken together: what is said of them must have happened to one of
   * them or, with `times`, so often to all of them in sum. There must be such a message, also for what is negated.
   */
  message(of: string | MessageMatcher): MessageExpectation {
    if (this.#isNegated) throw invalidParameter('expectMQ: write message(...).not, behind what it is about.')
    return new MessageExpectation(this.#mq, parseMatcher(of))
  }
}

/** What `expectMQ(mq).message(...)` answers. The assertions can be chained; `not` concerns the next one. */
export class MessageExpectation {
  readonly #mq: TestMQ
  readonly #matcher: MessageMatcher
  readonly #isNegated: boolean

  constructor(mq: TestMQ, matcher: MessageMatcher, isNegated = false) {
    this.#mq = mq
    this.#matcher = matcher
    this.#isNegated = isNegated
  }

  /** Turns the next assertion round. */
  get not(): MessageExpectation {
    return new MessageExpectation(this.#mq, this.#matcher, !this.#isNegated)
  }

  /** A listener of the group got it, or of its member `clientId`, whatever it made of it; retries count. */
  deliveredTo(group: string, options: MemberOptions = {}): MessageExpectation {
    return this.#claim('deliveredTo', memberClaim('delivered', group, options), this.deliveredTo)
  }

  /** A listener of the group consumed it with success, or that of its member `clientId`. */
  consumedBy(group: string, options: MemberOptions = {}): MessageExpectation {
    return this.#claim('consumedBy', memberClaim('acknowledged', group, options), this.consumedBy)
  }

  /** It failed in the group and was scheduled for a retry, which counts before it is due. */
  retried(group: string, options: TimesOptions = {}): MessageExpectation {
    return this.#claim('retried', retriedClaim(group, options), this.retried)
  }

  /** It became a dead letter of the group, for this reason if one is given. */
  deadLettered(group: string, options: DeadLetterOptions = {}): MessageExpectation {
    return this.#claim('deadLettered', deadLetterClaim(group, options), this.deadLettered)
  }

  /** It was delayed, and taken back before it came. */
  recalled(): MessageExpectation {
    return this.#ended('recalled', 'recalled', this.recalled)
  }

  /** Its transaction was committed, by its producer or by an answer to a check. */
  committed(): MessageExpectation {
    return this.#ended('committed', 'committed', this.committed)
  }

  /** Its transaction was rolled back, by its producer or by an answer to a check. */
  rolledBack(): MessageExpectation {
    return this.#ended('rolledBack', 'rolled-back', this.rolledBack)
  }

  #ended(operator: string, type: EndType, caller: () => MessageExpectation): MessageExpectation {
    return this.#claim(operator, endClaim(type), caller)
  }

  #claim(operator: string, claim: Claim, caller: (...parameters: never) => unknown): MessageExpectation {
    const failure = checkClaim(evidenceOf(this.#mq), this.#matcher, claim, this.#isNegated)
    raise(operator, failure, caller)
    return new MessageExpectation(this.#mq, this.#matcher)
  }
}

/** The stack of the error begins where the test called. */
function raise(
  operator: string,
  failure: Failure | undefined,
  caller: (...parameters: never) => unknown,
): void {
  if (failure === undefined) return
  throw new AssertionError({ ...failure, operator, stackStartFn: caller })
}
