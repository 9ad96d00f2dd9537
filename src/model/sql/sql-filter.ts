/** SQL filters as values (RocketMQ `MessageSelector.bySql`, semantics section 5.4). */
import { MQError } from '../errors.ts'
import type { Condition, ReadProperty } from './operands.ts'
import { compileSql } from './parser.ts'

/** A compiled SQL filter; made by {@link sql}. */
export class SqlFilter {
  readonly type = 'SQL92'
  /** The expression as given. */
  readonly expression: string
  readonly #condition: Condition

  constructor(expression: string) {
    this.expression = expression
    this.#condition = compileSql(expression)
    Object.freeze(this)
  }

  /** Whether a message with these properties passes: unknown and what cannot be evaluated do not. */
  matches(read: ReadProperty): boolean {
    return this.#condition(read) === true
  }
}

/**
 * A filter on the properties of messages, for `subscriptions`: comparisons (`=`, `<>`, `<`, `<=`, `>`, `>=`), `BETWEEN`, `IN`,
 * `IS NULL`, `CONTAINS`, `STARTSWITH` and `ENDSWITH`, joined by `AND`, `OR`, `NOT` and parentheses. The tag is the
 * property `TAGS`, the keys are `KEYS`. It is compiled once, here.
 *
 * Properties are strings; beside a number they count as numbers, and a message whose property is none does not pass. A
 * comparison with a missing property is unknown, and unknown does not pass.
 *
 * Throws `SUBSCRIPTION_PARSE_FAILED` that shows the place. At most 4096 characters, 64 levels and 256 comparisons.
 *
 * @example
 * ```ts
 * import { PocketMQ, sql } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * await mq.createPushConsumer({
 *   group: 'billing',
 *   subscriptions: { orders: sql("region = 'eu' AND amount > 10") },
 *   listener: (message) => console.log(message.text()),
 * })
 * ```
 */
export function sql(expression: string): SqlFilter {
  if (typeof expression !== 'string')
    throw new MQError('SUBSCRIPTION_PARSE_FAILED', 'An SQL filter must be a string.')
  return new SqlFilter(expression)
}
