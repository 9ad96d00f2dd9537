/**
 * Matchers for every framework with an `expect.extend` as in Jest. They assert what `expectMQ` asserts, under names that
 * read well behind `expect(mq)`.
 */
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
import { type Evidence, evidenceOf, type Failure } from './assertions/evidence.ts'
import type { MessageMatcher, SendMatcher } from './assertions/message-matcher.ts'
import { checkSent } from './assertions/sent-claim.ts'
import type { TestMQ } from './test-mq.ts'

/** A matcher for messages, and how often something happened to them. */
export interface CountMatcher extends MessageMatcher, TimesOptions {}

/** A matcher for messages, how often something happened to them, and which member of the group it was. */
export interface MemberMatcher extends MessageMatcher, MemberOptions {}

/** A matcher for messages, and for how they became dead letters. */
export interface DeadLetterMatcher extends MessageMatcher, DeadLetterOptions {}

/**
 * What `expect(mq)` can do once the matchers are there. Something happened to a message that matches, or as often as `times` says
 * to all that match, taken together. Nothing holds of a group and a message that is not there, neither so nor with `not`.
 */
export interface MQMatchers<Result = void> {
  /** A message that matches was sent. Sends that failed count only if `outcome` asks for them. */
  toHaveSent(matcher?: SendMatcher): Result
  /** A listener of the group got a message, whatever it made of it; retries count. */
  toHaveDelivered(group: string, matcher?: MemberMatcher): Result
  /** A listener of the group consumed a message with success. */
  toHaveConsumed(group: string, matcher?: MemberMatcher): Result
  /** A message failed in the group and was scheduled for a retry, which counts before it is due. */
  toHaveRetried(group: string, matcher?: CountMatcher): Result
  /** A message became a dead letter of the group, for this reason if one is given. */
  toHaveDeadLettered(group: string, matcher?: DeadLetterMatcher): Result
  /** A delayed message was taken back before it came. */
  toHaveRecalled(matcher?: MessageMatcher): Result
  /** The transaction of a message was committed, by its producer or by an answer to a check. */
  toHaveCommitted(matcher?: MessageMatcher): Result
  /** The transaction of a message was rolled back, by its producer or by an answer to a check. */
  toHaveRolledBack(matcher?: MessageMatcher): Result
}

/** What Jest, Vitest and others give to a matcher as its `this`. */
interface MatcherContext {
  readonly isNot?: boolean | undefined
}

/** What they want back. */
interface MatcherResult {
  readonly pass: boolean
  message(): string
  readonly expected?: unknown
  readonly actual?: unknown
}

type Check = (evidence: Evidence, isNegated: boolean) => Failure | undefined

/**
 * The matchers themselves, for a framework without a door of its own here: `expect.extend(mqMatchers)`.
 *
 * @example
 * ```ts
 * import { createTestMQ, mqMatchers } from 'pocketmq/testing'
 * import { expect } from 'vitest'
 * expect.extend(mqMatchers)
 * ```
 */
export const mqMatchers = {
  toHaveSent(this: MatcherContext, mq: TestMQ, matcher: SendMatcher = {}): MatcherResult {
    return judge(this, mq, (evidence, isNegated) => checkSent(evidence, matcher, isNegated))
  },
  toHaveDelivered(this: MatcherContext, mq: TestMQ, group: string, matcher?: MemberMatcher): MatcherResult {
    return judge(this, mq, byMember('delivered', group, matcher))
  },
  toHaveConsumed(this: MatcherContext, mq: TestMQ, group: string, matcher?: MemberMatcher): MatcherResult {
    return judge(this, mq, byMember('acknowledged', group, matcher))
  },
  toHaveRetried(this: MatcherContext, mq: TestMQ, group: string, matcher?: CountMatcher): MatcherResult {
    const { times, ...of } = matcher ?? {}
    return judge(this, mq, claimed(retriedClaim(group, { times }), of))
  },
  toHaveDeadLettered(
    this: MatcherContext,
    mq: TestMQ,
    group: string,
    { times, reason, reconsumeTimes, ...matcher }: DeadLetterMatcher = {},
  ): MatcherResult {
    return judge(this, mq, claimed(deadLetterClaim(group, { times, reason, reconsumeTimes }), matcher))
  },
  toHaveRecalled(this: MatcherContext, mq: TestMQ, matcher?: MessageMatcher): MatcherResult {
    return judge(this, mq, ended('recalled', matcher))
  },
  toHaveCommitted(this: MatcherContext, mq: TestMQ, matcher?: MessageMatcher): MatcherResult {
    return judge(this, mq, ended('committed', matcher))
  },
  toHaveRolledBack(this: MatcherContext, mq: TestMQ, matcher?: MessageMatcher): MatcherResult {
    return judge(this, mq, ended('rolled-back', matcher))
  },
}

function byMember(
  type: Parameters<typeof memberClaim>[0],
  group: string,
  { times, clientId, ...matcher }: MemberMatcher = {},
): Check {
  return claimed(memberClaim(type, group, { times, clientId }), matcher)
}

function ended(type: EndType, matcher: MessageMatcher = {}): Check {
  return claimed(endClaim(type), matcher)
}

function claimed(claim: Claim, matcher: MessageMatcher): Check {
  return (evidence, isNegated) => checkClaim(evidence, matcher, claim, isNegated)
}

/** Under `not` a matcher that passes is a failure. */
function judge(context: MatcherContext, mq: TestMQ, check: Check): MatcherResult {
  const isNegated = context.isNot === true
  const failure = check(evidenceOf(mq), isNegated)
  if (failure === undefined) return { pass: !isNegated, message: () => 'It is as expected.' }
  const { message, expected, actual } = failure
  return { pass: isNegated, message: () => message, expected, actual }
}
