/** Which messages come nearest to what a test asked for, and where they differ from it. */

import { type Difference, differencesOf, diffOf } from './differences.ts'
import type { MessageLife } from './message-life.ts'
import { type MessageMatcher, SENT } from './message-matcher.ts'
import { formatOffset } from './offset.ts'
import { nameOf } from './timeline.ts'
import { inWords, readable } from './value-match.ts'

/** Messages that are named. */
const NAMED_COUNT = 5
/** A message for another topic is further away than one that differs in everything else. */
const TOPIC_WEIGHT = 100

/** The matcher as it was written, on a line; empty when it asks for nothing. */
export function matcherInWords(matcher: MessageMatcher): string {
  const fields = Object.entries(matcher).filter(([, value]) => value !== undefined && value !== SENT)
  return fields.map(([field, value]) => `${field} ${inWords(readable(value))}`).join(', ')
}

/** Lines that name these messages, oldest first, each with its virtual time since the first of the ledger. */
export function listOf(lives: readonly MessageLife[], startTimestamp: number): string[] {
  const lines = lives.slice(0, NAMED_COUNT).map((life) => lineOf(life, startTimestamp))
  return lives.length > NAMED_COUNT ? [...lines, `  and ${lives.length - NAMED_COUNT} more`] : lines
}

/** Lines that name what comes nearest, and below each where it differs. */
export function nearestTo(
  matcher: MessageMatcher,
  lives: readonly MessageLife[],
  startTimestamp: number,
): string[] {
  if (lives.length === 0) return ['The ledger holds no message.']
  const nearest = ranked(matcher, lives).slice(0, NAMED_COUNT)
  const heading = lives.length > nearest.length ? `The nearest of ${lives.length} others:` : 'The nearest:'
  return [
    heading,
    ...nearest.flatMap(({ life, differences }) => [
      lineOf(life, startTimestamp),
      `      ${differences.map(differenceInWords).join('; ')}`,
    ]),
  ]
}

/** Both sides of the difference between what was asked for and what comes nearest. */
export function diffWithNearest(
  matcher: MessageMatcher,
  lives: readonly MessageLife[],
): readonly [expected: unknown, actual: unknown] {
  const [nearest] = ranked(matcher, lives)
  return nearest === undefined ? [readable(matcher), 'no message'] : diffOf(matcher, nearest.life)
}

function ranked(matcher: MessageMatcher, lives: readonly MessageLife[]) {
  return lives
    .map((life) => ({ life, differences: differencesOf(matcher, life) }))
    .sort((a, b) => distanceOf(a.differences) - distanceOf(b.differences))
}

function distanceOf(differences: readonly Difference[]): number {
  return differences.length + (differences.some(({ field }) => field === 'topic') ? TOPIC_WEIGHT : 0)
}

function differenceInWords({ field, expected, actual }: Difference): string {
  return `${field} is ${inWords(actual)}, not ${inWords(expected)}`
}

function lineOf(life: MessageLife, startTimestamp: number): string {
  return `  ${formatOffset(life.entries[0]!.timestamp - startTimestamp)}  ${nameOf(life)}`
}
