/** Was it sent? */

import { isMeant } from './differences.ts'
import type { Evidence, Failure } from './evidence.ts'
import { entriesOf, livesIn } from './message-life.ts'
import { parseSendMatcher, type SendMatcher } from './message-matcher.ts'
import { diffWithNearest, listOf, matcherInWords, nearestTo } from './nearest.ts'
import { countInWords } from './value-match.ts'

/** Why it does not hold that such messages were sent, or that none was; `undefined` when it holds. */
export function checkSent(
  { ledger, replayLines }: Evidence,
  given: SendMatcher,
  isNegated: boolean,
): Failure | undefined {
  const { times, ...matcher } = parseSendMatcher(given)
  const lives = livesIn(ledger).filter((life) => entriesOf(life, 'sent').length > 0)
  const meant = lives.filter((life) => isMeant(matcher, life))
  const holds = times === undefined ? meant.length > 0 : meant.length === times
  if (holds !== isNegated) return undefined

  const others = lives.filter((life) => !meant.includes(life))
  const startTimestamp = ledger.entries[0]?.timestamp ?? 0
  const isMissing = !isNegated && meant.length < (times ?? 1)
  const [expected, actual] =
    isMissing && meant.length === 0 && others.length > 0
      ? diffWithNearest(matcher, others)
      : [
          { times: isNegated ? (times === undefined ? 0 : `not ${times}`) : (times ?? 'at least 1') },
          { times: meant.length },
        ]
  const lines = [
    `Expected ${wishInWords(times, isNegated)}${fields(matcher)}; ${thereWere(meant.length)}.`,
    ...listOf(meant, startTimestamp),
    ...(isMissing ? nearestTo(matcher, others, startTimestamp) : []),
    ...replayLines,
  ]
  return { message: lines.join('\n'), expected, actual }
}

function fields(matcher: SendMatcher): string {
  const words = matcherInWords(matcher)
  return words === '' ? '' : ` with ${words}`
}

function thereWere(count: number): string {
  return count > 1 ? `there were ${count}` : `there was ${count === 1 ? 'one' : 'none'}`
}

function wishInWords(times: number | undefined, isNegated: boolean): string {
  if (times === undefined) return isNegated ? 'no send' : 'a send'
  return `${isNegated ? 'not ' : ''}${countInWords(times, 'send')}`
}
