/** Does it hold what a test says of messages? */

import type { Claim } from './claims.ts'
import { isMeant } from './differences.ts'
import type { Evidence, Failure } from './evidence.ts'
import { entriesOf, livesIn, type MessageLife } from './message-life.ts'
import { type MessageMatcher, parseMatcher } from './message-matcher.ts'
import { diffWithNearest, matcherInWords, nearestTo } from './nearest.ts'
import { formatOffset } from './offset.ts'
import { nameOf, timelineOf } from './timeline.ts'
import { countInWords } from './value-match.ts'

/** Messages whose lives are told. */
const TOLD_COUNT = 3

/**
 * Why a claim does not hold or, negated, holds; `undefined` when all is well. It is about the messages that are meant, taken
 * together. When a matcher means none, its claim fails negated as well: a misspelt matcher must not pass for silence.
 */
export function checkClaim(
  evidence: Evidence,
  of: string | MessageMatcher,
  claim: Claim,
  isNegated: boolean,
): Failure | undefined {
  const matcher = parseMatcher(of)
  const lives = livesIn(evidence.ledger)
  const meant = lives.filter((life) => isMeant(matcher, life))
  const count = countOf(claim, meant)
  const holds = claim.times === undefined ? count > 0 : count === claim.times
  const isMisspelt = meant.length === 0 && Object.values(matcher).some((field) => field !== undefined)
  if (holds !== isNegated && !isMisspelt) return undefined

  const heading = `Expected ${wishInWords(claim, matcher, isNegated)};`
  return meant.length === 0
    ? noneMeant(evidence, heading, matcher, lives)
    : otherwise(evidence, heading, claim, meant, isNegated)
}

function countOf(claim: Claim, lives: readonly MessageLife[]): number {
  return lives.reduce((sum, life) => sum + claim.count(life), 0)
}

/** `'billing' not to have consumed a message with keys 'o-1'`. */
function wishInWords(
  { group, verb, times, circumstances }: Claim,
  matcher: MessageMatcher,
  isNegated: boolean,
): string {
  const { messageId, ...others } = matcher
  const fields = matcherInWords(others)
  const message = messageId === undefined ? 'a message' : `the message ${messageId}`
  const often = times === undefined ? '' : `, ${countInWords(times, 'time')}`
  const meant = fields === '' ? message : `${message} with ${fields}`
  const not = isNegated ? 'not ' : ''
  if (group === undefined) return `${meant} ${not}to have been ${verb}`
  return `'${group}' ${not}to have ${verb} ${meant}${circumstances}${often}`
}

function noneMeant(
  { ledger, replayLines }: Evidence,
  heading: string,
  matcher: MessageMatcher,
  lives: readonly MessageLife[],
): Failure {
  const [expected, actual] = diffWithNearest(matcher, lives)
  const nearest = nearestTo(matcher, lives, ledger.entries[0]?.timestamp ?? 0)
  const lines = [`${heading} there is no such message.`, ...nearest, ...replayLines]
  return { message: lines.join('\n'), expected, actual }
}

function otherwise(
  evidence: Evidence,
  heading: string,
  claim: Claim,
  meant: readonly MessageLife[],
  isNegated: boolean,
): Failure {
  const { times } = claim
  const count = countOf(claim, meant)
  const instead = count === 0 ? claim.instead(meant) : undefined
  const did = claim.group === undefined ? 'was' : 'did'
  const didInWords = count === 0 ? `it never ${did}` : `it ${did} ${countInWords(count, 'time')}`
  const lines = [
    `${heading} ${instead?.words ?? didInWords}.`,
    ...livesInWords(evidence, claim, meant, isNegated),
    ...evidence.replayLines,
  ]
  const wanted = isNegated ? (times === undefined ? 0 : `not ${times}`) : (times ?? 'at least 1')
  const { expected, actual } = instead ?? { expected: { times: wanted }, actual: { times: count } }
  return { message: lines.join('\n'), expected, actual }
}

/** Those first of which the failure speaks: where it happened too often, or where it did not happen. */
function livesInWords(
  evidence: Evidence,
  claim: Claim,
  meant: readonly MessageLife[],
  isNegated: boolean,
): string[] {
  const isTooOften = isNegated || countOf(claim, meant) > (claim.times ?? 0)
  const isGuilty = (life: MessageLife): boolean => claim.count(life) > 0 === isTooOften
  const told = [...meant.filter(isGuilty), ...meant.filter((life) => !isGuilty(life))].slice(0, TOLD_COUNT)
  const lines = told.flatMap((life) => {
    const { group } = claim
    const hint = isTooOften || group === undefined ? undefined : hintFor(evidence, life, group)
    return [
      nameOf(life),
      ...timelineOf(life).map((line) => `  ${line}`),
      ...(hint === undefined ? [] : [`  ${hint}`]),
    ]
  })
  return meant.length > told.length ? [...lines, `and ${meant.length - told.length} more`] : lines
}

/** What may still come, or why nothing came. */
function hintFor({ ledger, nowTimestamp }: Evidence, life: MessageLife, group: string): string | undefined {
  const last = life.entries.findLast((entry) => 'group' in entry && entry.group === group)
  if (last?.type === 'retried' && last.dueTimestamp > nowTimestamp)
    return `The clock stands at ${formatOffset(nowTimestamp - life.entries[0]!.timestamp)}: that retry is not due yet.`
  if (last?.type === 'delivered') return 'It has not settled yet.'
  if (last !== undefined || entriesOf(life, 'stored').length === 0) return undefined
  const groups = new Set(ledger.of('delivered').map((entry) => entry.group))
  if (groups.has(group)) return `It did not reach '${group}'.`
  return groups.size === 0
    ? `No message was delivered to '${group}', nor to any other group.`
    : `No message was delivered to '${group}'; groups that got any: ${[...groups].join(', ')}.`
}
