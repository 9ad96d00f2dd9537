/** The chapters of the conformance suite, in the order of RocketMQ's semantics. */
import { acknowledging } from './chapters/acknowledging.ts'
import { allocation } from './chapters/allocation.ts'
import { attempts } from './chapters/attempts.ts'
import { badListeners } from './chapters/bad-listeners.ts'
import { broadcastFailures } from './chapters/broadcast-failures.ts'
import { broadcastOffsets } from './chapters/broadcast-offsets.ts'
import { broadcastRestarts } from './chapters/broadcast-restarts.ts'
import { broadcastingModel } from './chapters/broadcasting.ts'
import { consumeHooks } from './chapters/consume-hooks.ts'
import { consuming } from './chapters/consuming.ts'
import { deadLetters } from './chapters/dead-letters.ts'
import { delayedMessages } from './chapters/delayed-messages.ts'
import { durability } from './chapters/durability.ts'
import { errors } from './chapters/errors.ts'
import { events } from './chapters/events.ts'
import { fifoAccelerator } from './chapters/fifo-accelerator.ts'
import { fifoHandOver } from './chapters/fifo-hand-over.ts'
import { fifoReceiving } from './chapters/fifo-receiving.ts'
import { filters } from './chapters/filters.ts'
import { givingBack } from './chapters/giving-back.ts'
import { groups } from './chapters/groups.ts'
import { lastAttempts } from './chapters/last-attempts.ts'
import { listening } from './chapters/listening.ts'
import { liteLoops } from './chapters/lite-loops.ts'
import { litePull } from './chapters/lite-pull.ts'
import { liteQueues } from './chapters/lite-queues.ts'
import { messageGroups } from './chapters/message-groups.ts'
import { messages } from './chapters/messages.ts'
import { names } from './chapters/names.ts'
import { offsetOperations } from './chapters/offset-operations.ts'
import { offsets } from './chapters/offsets.ts'
import { orderTopics } from './chapters/order-topics.ts'
import { orderlyConsuming } from './chapters/orderly-consuming.ts'
import { orderlyFailures } from './chapters/orderly-failures.ts'
import { orderlyHandOver } from './chapters/orderly-hand-over.ts'
import { priorities } from './chapters/priorities.ts'
import { priorityOrder } from './chapters/priority-order.ts'
import { pullConsumers } from './chapters/pull-consumer.ts'
import { pulling } from './chapters/pulling.ts'
import { pushOptions } from './chapters/push-options.ts'
import { queries } from './chapters/queries.ts'
import { queueChoice } from './chapters/queue-choice.ts'
import { rebalancing } from './chapters/rebalancing.ts'
import { recalling } from './chapters/recall.ts'
import { receiveWaits } from './chapters/receive-waits.ts'
import { receiving } from './chapters/receiving.ts'
import { requests } from './chapters/requests.ts'
import { resets } from './chapters/resets.ts'
import { retention } from './chapters/retention.ts'
import { retries } from './chapters/retries.ts'
import { sendDetails } from './chapters/send-details.ts'
import { sending } from './chapters/sending.ts'
import { sizes } from './chapters/sizes.ts'
import { sqlFilters } from './chapters/sql-filters.ts'
import { starting } from './chapters/starting.ts'
import { store } from './chapters/store.ts'
import { strategies } from './chapters/strategies.ts'
import { subscribing } from './chapters/subscribing.ts'
import { topics } from './chapters/topics.ts'
import { tracing } from './chapters/tracing.ts'
import { transactionChecks } from './chapters/transaction-checks.ts'
import { transactions } from './chapters/transactions.ts'
import type { ConformanceChapter } from './rule.ts'

/** Every chapter of the conformance suite. */
export const conformanceChapters: readonly ConformanceChapter[] = Object.freeze([
  names,
  topics,
  groups,
  messages,
  sizes,
  sending,
  sendDetails,
  queueChoice,
  messageGroups,
  orderTopics,
  priorities,
  priorityOrder,
  errors,
  store,
  retention,
  pulling,
  filters,
  sqlFilters,
  consuming,
  listening,
  badListeners,
  consumeHooks,
  pushOptions,
  subscribing,
  starting,
  orderlyConsuming,
  orderlyFailures,
  orderlyHandOver,
  fifoAccelerator,
  fifoHandOver,
  attempts,
  broadcastingModel,
  broadcastOffsets,
  broadcastFailures,
  broadcastRestarts,
  allocation,
  strategies,
  rebalancing,
  litePull,
  liteLoops,
  liteQueues,
  pullConsumers,
  receiving,
  receiveWaits,
  acknowledging,
  givingBack,
  lastAttempts,
  fifoReceiving,
  retries,
  deadLetters,
  delayedMessages,
  recalling,
  transactions,
  transactionChecks,
  requests,
  offsets,
  resets,
  offsetOperations,
  queries,
  tracing,
  durability,
  events,
])
