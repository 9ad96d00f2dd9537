/** Whether two consumers want the same messages. Order and spacing of a tag expression do not matter. */
import type { MessageFilter } from '../model/subscription.ts'

type Subscriptions = ReadonlyMap<string, MessageFilter>

export function sameSubscriptions(a: Subscriptions, b: Subscriptions): boolean {
  return a.size === b.size && [...a].every(([topic, filter]) => sameFilter(filter, b.get(topic)))
}

export function sameFilter(a: MessageFilter, b: MessageFilter | undefined): boolean {
  if (a.type === 'SQL92' || b?.type === 'SQL92') return a.type === b?.type && a.expression === b.expression
  return b !== undefined && a.tags.size === b.tags.size && [...a.tags].every((tag) => b.tags.has(tag))
}
