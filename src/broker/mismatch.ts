/**
 * In what two members of a group differ, in words (semantics section 5.5). Members share queues by number, whoever subscribes
 * to what, so that a difference lets messages reach nobody; RocketMQ says nothing of it.
 */
import type { ConsumerRegistration } from '../model/engine.ts'
import { sameFilter, sameSubscriptions } from './same-subscriptions.ts'

/** What the first has and the second has not, as an object of "registers"; `undefined` when they go together. */
export function mismatchOf(a: ConsumerRegistration, b: ConsumerRegistration): string | undefined {
  if (a.messageModel !== b.messageModel) return `another message model (${a.messageModel})`
  if (a.consumeType === 'pop' || b.consumeType === 'pop') return popMismatchOf(a, b)
  // Broadcasting members share nothing, so each may be as it likes.
  if (a.messageModel === 'broadcasting') return undefined
  if (!sameSubscriptions(a.subscriptions, b.subscriptions)) return 'other subscriptions'
  if (differ(a.mode, b.mode)) return `another mode (${a.mode})`
  if (differ(a.allocateStrategy, b.allocateStrategy))
    return `another allocation strategy (${a.allocateStrategy})`
  return undefined
}

/** Simple consumers each receive from the topics that they name; only what one filters out is lost to the other. */
function popMismatchOf(a: ConsumerRegistration, b: ConsumerRegistration): string | undefined {
  for (const [topic, filter] of a.subscriptions) {
    const other = b.subscriptions.get(topic)
    if (other !== undefined && !sameFilter(filter, other))
      return `another expression for the topic '${topic}'`
  }
  return undefined
}

/** Whether two registrations say the same, so that one may stand for the other. */
export function sameRegistration(a: ConsumerRegistration, b: ConsumerRegistration): boolean {
  return (
    a.messageModel === b.messageModel &&
    a.mode === b.mode &&
    a.allocateStrategy === b.allocateStrategy &&
    sameSubscriptions(a.subscriptions, b.subscriptions)
  )
}

/** Who does not say is taken to agree. */
function differ(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b
}
