/** What groups want of a topic, as they write it and as the reference for filters understands it. */
import { sql } from '../../../src/index.ts'
import type { SubscriptionExpression } from '../../../src/model/subscription.ts'
import { type Filtered, passes, type SqlCondition, sqlText } from './sql-condition.ts'

export type Wish =
  | { readonly kind: 'all' }
  | { readonly kind: 'tags'; readonly tags: readonly string[] }
  | { readonly kind: 'sql'; readonly condition: SqlCondition }

export function expressionOf(wish: Wish): SubscriptionExpression {
  if (wish.kind === 'sql') return sql(sqlText(wish.condition))
  return wish.kind === 'all' ? '*' : wish.tags.join(' || ')
}

export function isWished(wish: Wish, message: Filtered): boolean {
  if (wish.kind === 'sql') return passes(wish.condition, message)
  return wish.kind === 'all' || (message.tag !== undefined && wish.tags.includes(message.tag))
}
