/** The public door: every name that the package promises, one by one. */
export type { Admin } from './admin/admin.ts'
export type {
  CloneOffsetOptions,
  DelayedRange,
  GroupSettings,
  OffsetRange,
  ResetOffsetOptions,
  SkipMessagesOptions,
  TimeRange,
  TopicSettings,
} from './admin/admin-arguments.ts'
export type { ResendReport } from './admin/dead-letters.ts'
export type { QueueOffset } from './admin/reset-offset.ts'
export type { MessageTrace, TraceEntry } from './admin/trace-message.ts'
export type { SchemaFailure, TopicVerification, VerifyTopicOptions } from './admin/verify-topic.ts'
export type { AllocateStrategy } from './allocate/allocate.ts'
export { allocateAveragely } from './allocate/averagely.ts'
export { allocateAveragelyByCircle } from './allocate/averagely-by-circle.ts'
export { allocateByConfig } from './allocate/by-config.ts'
export { allocateByMachineRoom } from './allocate/by-machine-room.ts'
export { allocateConsistentHash, type ConsistentHashOptions } from './allocate/consistent-hash.ts'
export { allocateMachineRoomNearby, type MachineRoomResolver } from './allocate/machine-room-nearby.ts'
export { checkStore } from './check-store.ts'
export type { ConsumeContext } from './consumer/consume-context.ts'
export type { ConsumeHook, ConsumeHookContext, ConsumeHookOutcome } from './consumer/consume-hooks.ts'
export type { LitePullConsumer } from './consumer/lite-pull-consumer.ts'
export type {
  LitePullConsumerOptions,
  TypedLitePullConsumerOptions,
} from './consumer/lite-pull-consumer-options.ts'
export {
  type BatchMessageListener,
  ConsumeResult,
  type MessageListener,
} from './consumer/message-listener.ts'
export type { MessagesOptions, PollOptions } from './consumer/poll-options.ts'
export type { PullConsumer, PullOptions, SendMessageBackOptions } from './consumer/pull-consumer.ts'
export type { PullConsumerOptions, TypedPullConsumerOptions } from './consumer/pull-consumer-options.ts'
export type { CloseReport, PushConsumer, PushConsumerStats } from './consumer/push-consumer.ts'
export type { PushConsumerOptions, TypedPushConsumerOptions } from './consumer/push-consumer-options.ts'
export type { RateLimit } from './consumer/rate-limiter.ts'
export type { ReceivedMessage } from './consumer/received-message.ts'
export type { SimpleConsumer } from './consumer/simple-consumer.ts'
export type {
  NackOptions,
  ReceiveOptions,
  SimpleConsumerOptions,
  TypedSimpleConsumerOptions,
} from './consumer/simple-consumer-options.ts'
export type { ConsumeFromWhere } from './consumer/start-offset.ts'
export type { QueuesChangedListener } from './consumer/topic-watch.ts'
export type { ApplicationDatabase, ChainedBatch } from './model/chained-batch.ts'
export type { Clock, RandomSource, Timer } from './model/clock.ts'
export type { CheckProblem, CheckReport } from './model/engine.ts'
export {
  MQError,
  type MQErrorCode,
  MQErrorCodes,
  type MQErrorOptions,
  type WriteOutcome,
} from './model/errors.ts'
export type {
  DeadLetterEvent,
  MessageDroppedEvent,
  MessageLostEvent,
  MQEvents,
  RetryEvent,
  StoreState,
  WarningEvent,
} from './model/events.ts'
export type { Logger } from './model/logger.ts'
export type { Message, MessageView } from './model/message.ts'
export { messageIdFor } from './model/message-id-for.ts'
export type { MessageQueue } from './model/message-queue.ts'
export type { OutboxReceipt } from './model/outbox.ts'
export type { Reply, ReplyReceipt, ReplyStatus } from './model/reply.ts'
export type {
  ConsumerProgress,
  DelayedMessage,
  DelayedReceipt,
  Durability,
  PullResult,
  PullStatus,
  QueueProgress,
  QueueStatus,
  SendBackResult,
  SendReceipt,
  SendStatus,
} from './model/results.ts'
export type { GroupRetryPolicy } from './model/retry-policy.ts'
export type { SchemaIssue } from './model/schema-issue.ts'
export { type SplitOptions, splitIntoBatches } from './model/split-into-batches.ts'
export { type SqlFilter, sql } from './model/sql/sql-filter.ts'
export type { SubscriptionExpression } from './model/subscription.ts'
export { type GroupConfig, Permission, type TopicConfig } from './model/topic.ts'
export type {
  DeliveryTrace,
  EndTransactionTrace,
  RecallTrace,
  ReceiveTrace,
  SendTrace,
  SettleTrace,
  TracedClient,
  TracedMessage,
  TracedMessageType,
} from './model/tracing.ts'
export { TransactionResolution } from './model/transaction.ts'
export type { HalfReceipt } from './model/transaction-verbs.ts'
export type { ConsumedMessage, Destination, MessageOf, TypedMessageView } from './model/typed-message.ts'
export { defineTopic, type TopicDefinition, type TypedTopic } from './model/typed-topic.ts'
export type { LimitSettings, OpenOptions, RetentionSettings } from './open-options.ts'
export { PocketMQ } from './pocketmq.ts'
export type { Producer } from './producer/producer.ts'
export type { ProducerStats } from './producer/producer-host.ts'
export type { ProducerOptions } from './producer/producer-options.ts'
export {
  type HashArgument,
  type QueueSelector,
  selectByHash,
  selectByMachineRoom,
  selectByRandom,
} from './producer/queue-selector.ts'
export type { RequestOptions } from './producer/request-options.ts'
export type { SendHook, SendHookContext, SendHookOutcome, SendKind } from './producer/send-hooks.ts'
export type { OutboxSendOptions, SendOptions } from './producer/send-options.ts'
export type { SentMessage } from './producer/sent-message.ts'
export type { Transaction } from './producer/transaction.ts'
export type {
  LocalTransaction,
  TransactionChecker,
  TransactionReceipt,
} from './producer/transactions.ts'
