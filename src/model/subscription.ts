/** Filter expressions as values (RocketMQ `FilterAPI`, semantics section 5.3). */
import { MQError } from './errors.ts'
import { javaHashCode } from './java-hash.ts'
import { EXPRESSION_MAX_LENGTH } from './limits.ts'
import { SqlFilter } from './sql/sql-filter.ts'

/** Matches every message of a topic. */
const ALL = '*'
/** Taken as a tag it would match nothing, without a word. */
const LOOKS_LIKE_SQL = /[<>=']|\s(and|or|is|in|not|between)\s/i

/** A compiled tag expression: every message, or those whose tag is in the set. */
export interface TagFilter {
  readonly type: 'TAG'
  /** The expression as given. */
  readonly expression: string
  /** Empty: every message matches. */
  readonly tags: ReadonlySet<string>
  /** Java hash codes of the tags: compared first, since they stand in the record header. */
  readonly tagHashes: ReadonlySet<number>
}

/** What a subscription lets through. */
export type MessageFilter = TagFilter | SqlFilter

/** How an application writes it: a tag expression, or what `sql(...)` answers. */
export type SubscriptionExpression = string | SqlFilter

/** The filter that lets everything through. */
export const matchAll: TagFilter = Object.freeze({
  type: 'TAG',
  expression: ALL,
  tags: new Set<string>(),
  tagHashes: new Set<number>(),
})

/** Completes an expression as an application wrote it; throws `SUBSCRIPTION_PARSE_FAILED`. */
export function parseExpression(expression: unknown): MessageFilter {
  return expression instanceof SqlFilter ? expression : parseTagExpression(expression)
}

/** Compiles `a || b`, `*` or the empty string; refuses anything else with `SUBSCRIPTION_PARSE_FAILED`. */
export function parseTagExpression(expression: unknown): TagFilter {
  if (typeof expression !== 'string')
    throw parseFailed('A subscription is a string such as "a || b" or "*", or sql("...").')
  if (expression.length > EXPRESSION_MAX_LENGTH) {
    throw parseFailed(
      `The tag expression has ${expression.length} characters; at most ${EXPRESSION_MAX_LENGTH} are allowed.`,
    )
  }
  if (expression === '' || expression === ALL) return matchAll
  const tags = new Set(
    expression
      .split('||')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
  if (tags.size === 0)
    throw parseFailed(`The tag expression '${expression}' names no tag; use "*" for every message.`)
  for (const tag of tags) checkTag(expression, tag)
  return Object.freeze({ type: 'TAG', expression, tags, tagHashes: new Set([...tags].map(javaHashCode)) })
}

/** Whether a message with this tag (empty: none) passes. */
export function matchesTag(filter: TagFilter, tagHash: number, tag: () => string): boolean {
  if (filter.tags.size === 0) return true
  return filter.tagHashes.has(tagHash) && filter.tags.has(tag())
}

function checkTag(expression: string, tag: string): void {
  if (LOOKS_LIKE_SQL.test(tag))
    throw parseFailed(
      `'${expression}' looks like an SQL filter; write sql("...") around it, or join tags by '||'.`,
    )
  if (tag.includes('|'))
    throw parseFailed(`The tag expression '${expression}' has a single '|'; tags are joined by '||'.`)
  if (tag === ALL)
    throw parseFailed(`The tag expression '${expression}' mixes '*' with tags; '*' stands alone.`)
}

function parseFailed(text: string): MQError {
  return new MQError('SUBSCRIPTION_PARSE_FAILED', text)
}
