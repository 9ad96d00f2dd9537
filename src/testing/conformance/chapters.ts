/** The chapters of the conformance suite, in the order of RocketMQ's semantics. */
import { consuming } from './chapters/consuming.ts'
import { deadLetters } from './chapters/dead-letters.ts'
import { durability } from './chapters/durability.ts'
import { errors } from './chapters/errors.ts'
import { events } from './chapters/events.ts'
import { filters } from './chapters/filters.ts'
import { groups } from './chapters/groups.ts'
import { listening } from './chapters/listening.ts'
import { messages } from './chapters/messages.ts'
import { names } from './chapters/names.ts'
import { offsets } from './chapters/offsets.ts'
import { pulling } from './chapters/pulling.ts'
import { queries } from './chapters/queries.ts'
import { queueChoice } from './chapters/queue-choice.ts'
import { rebalancing } from './chapters/rebalancing.ts'
import { retention } from './chapters/retention.ts'
import { retries } from './chapters/retries.ts'
import { sending } from './chapters/sending.ts'
import { sizes } from './chapters/sizes.ts'
import { starting } from './chapters/starting.ts'
import { store } from './chapters/store.ts'
import { topics } from './chapters/topics.ts'
import type { ConformanceChapter } from './rule.ts'

/** Every chapter of the conformance suite. */
export const conformanceChapters: readonly ConformanceChapter[] = Object.freeze([
  names,
  topics,
  groups,
  messages,
  sizes,
  sending,
  queueChoice,
  errors,
  store,
  retention,
  pulling,
  filters,
  consuming,
  listening,
  starting,
  rebalancing,
  retries,
  deadLetters,
  offsets,
  queries,
  durability,
  events,
])
