/** What a test says of messages: of what a group did with them, and of how a delay or a transaction ended. */
import { z } from 'zod'
import { parseOptions } from '../../model/parse-options.ts'
import { checkGroupName } from '../../model/topic.ts'
import type { LedgerEntryOf } from '../ledger.ts'
import { entriesOf, type MessageLife } from './message-life.ts'
import { countInWords, inWords, isMatch, isTextMatch, type TextMatch } from './value-match.ts'

/** How often something happened. */
export interface TimesOptions {
  /** Default: at least once. */
  readonly times?: number | undefined
}

/** How often something happened, and to whom. */
export interface MemberOptions extends TimesOptions {
  /** The member whose listener it was, or whose application received or polled it. Default: any member of the group. */
  readonly clientId?: string | undefined
}

/** What is known about a dead letter. */
export interface DeadLetterOptions extends TimesOptions {
  /** Why it failed the last time: a text that the reason contains, or a RegExp or function for it. Default: any reason. */
  readonly reason?: TextMatch | undefined
  /** How often the group had failed to consume it. Default: any number. */
  readonly reconsumeTimes?: number | undefined
}

/** Something that was done with messages, or was not. */
export interface Claim {
  /** Whose deed it is; left out where it is that of the sender. */
  readonly group?: string | undefined
  readonly times: number | undefined
  /** Stands behind `to have`, without a group behind `to have been`. */
  readonly verb: string
  /** Stands behind the messages; begins with a space, or is empty. */
  readonly circumstances: string
  /** How often it happened to a message. */
  count(life: MessageLife): number
  /** What happened in its place, if something like it did. */
  instead(lives: readonly MessageLife[]): Instead | undefined
}

/** In words, and as two sides to be compared. */
export interface Instead {
  readonly words: string
  readonly expected: unknown
  readonly actual: unknown
}

/** The verb for each entry of the ledger that is only counted. */
const VERBS = { delivered: 'got', acknowledged: 'consumed', retried: 'retried' } as const

const times = z.int().min(0).optional()
const timesSchema = z.strictObject({ times })
const memberSchema = z.strictObject({ times, clientId: z.string().min(1).optional() })
const deadLetterSchema = z.strictObject({
  times,
  reason: z.custom<TextMatch>(isTextMatch, 'expected a string, a RegExp or a function').optional(),
  reconsumeTimes: z.int().min(0).optional(),
})

/** A member of the group got a message, or consumed it. */
export function memberClaim(
  type: 'delivered' | 'acknowledged',
  group: string,
  options: MemberOptions,
): Claim {
  checkGroupName(group)
  const { times, clientId } = parseOptions('MemberOptions', memberSchema, options)
  const isTheirs = (entry: { readonly clientId: string }): boolean =>
    clientId === undefined || entry.clientId === clientId
  return {
    group,
    times,
    verb: VERBS[type],
    circumstances: clientId === undefined ? '' : ` as '${clientId}'`,
    count: (life) => entriesOf(life, type, group).filter(isTheirs).length,
    instead: () => undefined,
  }
}

/** A retry was scheduled for the group. */
export function retriedClaim(group: string, options: TimesOptions): Claim {
  checkGroupName(group)
  const { times } = parseOptions('TimesOptions', timesSchema, options)
  return {
    group,
    times,
    verb: VERBS.retried,
    circumstances: '',
    count: (life) => entriesOf(life, 'retried', group).length,
    instead: () => undefined,
  }
}

/** What a producer, a check or an operator ended. */
export type EndType = 'recalled' | 'committed' | 'rolled-back'

/** A delayed message was taken back, or a transaction ended so. */
export function endClaim(type: EndType): Claim {
  return {
    times: undefined,
    verb: type === 'rolled-back' ? 'rolled back' : type,
    circumstances: '',
    count: (life) => entriesOf(life, type).length,
    instead: () => undefined,
  }
}

/** The group gave a message up. */
export function deadLetterClaim(group: string, options: DeadLetterOptions): Claim {
  checkGroupName(group)
  const { times, ...wanted } = parseOptions('DeadLetterOptions', deadLetterSchema, options)
  const wishes = Object.entries(wanted).filter(([, value]) => value !== undefined)
  const letters = (life: MessageLife): DeadLetter[] => entriesOf(life, 'dead-lettered', group)
  return {
    group,
    times,
    verb: 'dead-lettered',
    circumstances: wishes.map(([name, value]) => ` with ${name} ${inWords(value)}`).join(''),
    count: (life) => letters(life).filter((letter) => isWanted(wanted, letter)).length,
    instead: (lives) => otherLetter(wanted, lives.flatMap(letters)),
  }
}

type DeadLetter = Pick<LedgerEntryOf<'dead-lettered'>, 'reason' | 'reconsumeTimes'>

function isWanted(wanted: DeadLetterOptions, { reason, reconsumeTimes }: DeadLetter): boolean {
  if (wanted.reconsumeTimes !== undefined && wanted.reconsumeTimes !== reconsumeTimes) return false
  return isReason(wanted.reason, reason)
}

function isReason(wanted: TextMatch | undefined, reason: string): boolean {
  if (wanted === undefined) return true
  return typeof wanted === 'string' ? reason.includes(wanted) : isMatch(wanted, reason)
}

function otherLetter(wanted: DeadLetterOptions, letters: readonly DeadLetter[]): Instead | undefined {
  const other = letters.find((letter) => !isWanted(wanted, letter))
  if (other === undefined) return undefined
  const { reason, reconsumeTimes } = other
  return {
    words: `it did after ${countInWords(reconsumeTimes, 'failure')} with reason ${inWords(reason)}`,
    expected: {
      reason: isReason(wanted.reason, reason) ? reason : wanted.reason,
      reconsumeTimes: wanted.reconsumeTimes ?? reconsumeTimes,
    },
    actual: { reason, reconsumeTimes },
  }
}
