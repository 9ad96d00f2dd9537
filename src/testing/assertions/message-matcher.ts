/** Which messages a test speaks of: the matcher and its check. */
import { types } from 'node:util'
import { z } from 'zod'
import { parseOptions } from '../../model/parse-options.ts'
import type { SendOutcome } from './message-life.ts'
import { isTextMatch, type TextMatch } from './value-match.ts'

/**
 * Which messages are meant. Every field that is given must match; what is left out may be anything. A text is the whole text,
 * a RegExp is found in it, a function judges it.
 */
export interface MessageMatcher {
  /** The id that the send answered. */
  readonly messageId?: string | undefined
  /** The topic that it was first sent to. */
  readonly topic?: TextMatch | undefined
  /** The tag; a function gets `undefined` for a message without one. */
  readonly tag?: string | RegExp | ((tag: string | undefined) => boolean) | undefined
  /** A key, or several: the message has them all, and may have more. */
  readonly keys?: string | readonly string[] | undefined
  /** User properties: the message has them all, and may have more. */
  readonly properties?: Readonly<Record<string, TextMatch>> | undefined
  /** The message group; a function gets `undefined` for a message without one. */
  readonly messageGroup?: string | RegExp | ((messageGroup: string | undefined) => boolean) | undefined
  /** The body: bytes as they are, text and RegExp against the body as UTF-8; a function gets the bytes. */
  readonly body?: string | Uint8Array | RegExp | ((body: Buffer) => boolean) | undefined
  /**
   * The body as JSON: an object matches when all fields given here match, at every depth. RegExps, functions and the
   * framework's own, such as `expect.any(String)`, may stand in the place of values.
   */
  readonly json?: unknown
  /** How its send ended, as far as the sender was told: one way, or several. Default: any. */
  readonly outcome?: SendOutcome | readonly SendOutcome[] | undefined
}

/** A matcher for sends, and how many of them. */
export interface SendMatcher extends MessageMatcher {
  /** How many such messages were sent. Default: at least one. */
  readonly times?: number | undefined
  /** How the send ended. Default: `stored` or `pending`; sends that failed do not count. */
  readonly outcome?: MessageMatcher['outcome']
}

/** What counts as sent unless a matcher says otherwise. */
export const SENT: readonly SendOutcome[] = Object.freeze(['stored', 'pending'])

const text = z.custom<TextMatch>(isTextMatch, 'expected a string, a RegExp or a function')

const outcome = z.enum(['stored', 'failed', 'pending'])

const matcherFields = {
  messageId: z.string().optional(),
  topic: text.optional(),
  tag: text.optional(),
  keys: z.union([z.string(), z.array(z.string())]).optional(),
  properties: z.record(z.string(), text).optional(),
  messageGroup: text.optional(),
  body: z
    .custom(
      (value) => isTextMatch(value) || types.isUint8Array(value),
      'expected a string, bytes, a RegExp or a function',
    )
    .optional(),
  json: z.unknown().optional(),
  outcome: z.union([outcome, z.array(outcome)]).optional(),
}

const schema = z.strictObject(matcherFields)
const sendSchema = z.strictObject({ ...matcherFields, times: z.int().min(0).optional() })

/** Checks a matcher, or the id of one message; throws `INVALID_PARAMETER` for what is none. */
export function parseMatcher(given: unknown): MessageMatcher {
  const matcher = typeof given === 'string' ? { messageId: given } : given
  return parseOptions('MessageMatcher', schema, matcher) as MessageMatcher
}

/** Checks a matcher for sends; throws `INVALID_PARAMETER` for what is none. */
export function parseSendMatcher(given: unknown): SendMatcher {
  const matcher = parseOptions('SendMatcher', sendSchema, given) as SendMatcher
  return { ...matcher, outcome: matcher.outcome ?? SENT }
}
