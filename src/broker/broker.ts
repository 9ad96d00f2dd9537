/**
 * The embedded engine: one broker over one store. This file only wires the parts; what a verb does stands in the part
 * that is named in its line.
 */
import type { Clock, RandomSource } from '../model/clock.ts'
import type {
  CheckReport,
  ConsumerRegistration,
  Engine,
  EngineEvent,
  EngineSupports,
  FailedAttempts,
  KeyQuery,
  PullRequest,
  SendBackRequest,
  SendRequest,
} from '../model/engine.ts'
import type { Logger } from '../model/logger.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { clockInOwnContext } from '../model/own-context.ts'
import type {
  ConsumerProgress,
  PullResult,
  QueueStatus,
  SendBackResult,
  SendReceipt,
  TopicRoute,
} from '../model/results.ts'
import type { GroupConfig, TopicConfig } from '../model/topic.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import { AlarmClaims } from './alarm-claims.ts'
import { Announcer } from './announcer.ts'
import { Attempts } from './attempts.ts'
import { BroadcastOffsets } from './broadcast-offsets.ts'
import { type BrokerContext, supportsOf } from './broker-context.ts'
import type { BrokerOptions } from './broker-options.ts'
import { ConsumerOffsets } from './consumer-offsets.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deduplication } from './deduplication.ts'
import { DelayedMessages } from './delayed-messages.ts'
import { Groups } from './groups.ts'
import { Locks, type QueueLease } from './locks.ts'
import { Members } from './members.ts'
import { Pop } from './pop.ts'
import { PopRetryTopics } from './pop-retry-topics.ts'
import { Progress } from './progress.ts'
import { Publish } from './publish.ts'
import { Pull } from './pull.ts'
import { Queries } from './queries.ts'
import { Requests } from './requests.ts'
import { Retry } from './retry.ts'
import { Serial } from './serial.ts'
import { Timekeeper } from './timekeeper.ts'
import { Topics } from './topics.ts'
import { Traces } from './traces.ts'
import { Transactions } from './transactions.ts'

export class Broker implements Engine {
  readonly supports: EngineSupports
  readonly clock: Clock
  readonly random: RandomSource
  readonly logger: Logger
  readonly lockLeaseMs: number
  readonly pop: Pop
  readonly delay: DelayedMessages
  readonly transactions: Transactions
  readonly requests: Requests
  readonly traces: Traces

  readonly #store: Store
  readonly #announcer: Announcer
  readonly #topics: Topics
  readonly #publish: Publish
  readonly #pull: Pull
  readonly #members: Members
  readonly #groups: Groups
  readonly #locks: Locks
  readonly #broadcast: BroadcastOffsets
  readonly #offsets: ConsumerOffsets
  readonly #attempts: Attempts
  readonly #retry: Retry
  readonly #timekeeper: Timekeeper
  readonly #queries: Queries
  readonly #progress: Progress

  constructor(store: Store, options: BrokerOptions, context: BrokerContext) {
    const { random, logger, emit } = context
    const clock = clockInOwnContext(context.clock)
    this.supports = supportsOf(context.durable)
    this.clock = context.clock
    this.random = random
    this.logger = logger
    this.lockLeaseMs = options.lockLeaseMs
    this.requests = new Requests(clock)
    const serial = new Serial()
    const announcer = new Announcer(emit, logger)
    const topics = new Topics(store, options, announcer, serial)
    const members = new Members(announcer)
    const broadcast = new BroadcastOffsets(store)
    const groups = new Groups({ store, topics, members, serial, broadcast, announcer })
    const deadLetters = new DeadLetters(store, topics, announcer, options.deadLetterPermission)
    const delayLevels = options.messageDelayLevel

    this.#store = store
    this.#announcer = announcer
    this.#topics = topics
    const deduplication = new Deduplication(store, clock, options)
    this.#publish = new Publish(store, topics, announcer, deduplication)
    this.#pull = new Pull(groups, topics, members, clock)
    this.#members = members
    this.#groups = groups
    this.#locks = new Locks(options.lockLeaseMs, announcer, clock)
    this.#broadcast = broadcast
    this.#offsets = new ConsumerOffsets(store, topics, groups, announcer, serial, broadcast)
    const { isResetting, resetEnd } = this.#offsets
    this.#attempts = new Attempts({ store, groups, topics, broadcast, isResetting, resetEnd })
    const retryTopics = new PopRetryTopics(store, topics, serial, random)
    this.pop = new Pop({
      store,
      groups,
      deadLetters,
      retryTopics,
      announcer,
      clock,
      delayLevels,
      isResetting,
      doDue: () => this.#timekeeper.doDue(),
    })
    this.#retry = new Retry({ store, topics, groups, deadLetters, announcer, clock, random, delayLevels })
    const claims = new AlarmClaims()
    this.delay = new DelayedMessages({
      store,
      topics,
      publish: this.#publish,
      claims,
      announcer,
      clock,
      delayLevels,
      timerMaxDelayMs: options.timerMaxDelayMs,
    })
    this.transactions = new Transactions({
      store,
      publish: this.#publish,
      topics,
      claims,
      announcer,
      clock,
      ...options,
    })
    this.#timekeeper = new Timekeeper(store, clock, announcer, claims)
    this.#queries = new Queries(store, topics)
    this.traces = new Traces({ store, topics, clock })
    this.#progress = new Progress(store, groups, members, broadcast)
    this.#start()
  }

  /** Whether something that was due is being done right now. */
  get busy(): boolean {
    return this.#timekeeper.busy
  }

  /** Refuses waiting pulls with `CLOSED` and stops doing what is due. The store stays open; its owner closes it. */
  async close(): Promise<void> {
    this.#pull.close()
    this.pop.close()
    this.#locks.close()
    this.requests.close()
    this.transactions.close()
    await this.#timekeeper.close()
  }

  #start(): void {
    this.#store.onAppended = (log) => {
      this.#pull.wake(log)
      this.pop.wake(log.queue.topic)
    }
    this.#offsets.beforeReset = async (group, logs) => {
      await this.#attempts.settle()
      return this.pop.prepareReset(group, logs)
    }
    this.#timekeeper.register('delay', (alarm) => this.delay.planDelivery(alarm))
    this.#timekeeper.register('transaction', (alarm) => this.transactions.planCheck(alarm))
    this.#timekeeper.register('retry', (alarm) => this.#retry.planDelivery(alarm))
    this.#timekeeper.register('pop', (alarm) => this.pop.expiry.planRun(alarm))
    this.#timekeeper.register('pop-orderly', (alarm) => this.pop.expiry.planOrderly(alarm))
    this.#timekeeper.start()
  }

  // ---- routes ----

  async queryRoute(topic: string): Promise<TopicRoute> {
    return this.#topics.route(topic)
  }

  publishRoute(topic: string): TopicRoute | Promise<TopicRoute> {
    return this.#topics.publishRoute(topic)
  }

  // ---- sending ----

  sendMessage(request: SendRequest): Promise<SendReceipt> {
    return this.#publish.send(request)
  }

  // ---- receiving ----

  pullMessage(request: PullRequest): Promise<PullResult> {
    return this.#pull.pull(request)
  }

  sendMessageBack(request: SendBackRequest): Promise<SendBackResult> {
    return this.#retry.sendBack(request)
  }

  // ---- offsets ----

  queryConsumerOffset(group: string, queue: MessageQueue, clientId?: string): Promise<number | undefined> {
    return this.#offsets.query(group, queue, clientId)
  }

  updateConsumerOffset(
    group: string,
    queue: MessageQueue,
    offset: number,
    mayGoBack = false,
    clientId?: string,
  ): Promise<void> {
    return this.#offsets.update(group, queue, offset, mayGoBack, clientId)
  }

  queryAttempts(group: string, queue: MessageQueue, clientId?: string): Promise<readonly FailedAttempts[]> {
    return this.#attempts.query(group, queue, clientId)
  }

  updateAttempts(
    group: string,
    queue: MessageQueue,
    attempts: readonly FailedAttempts[],
    clientId?: string,
  ): Promise<void> {
    return this.#attempts.update(group, queue, attempts, clientId)
  }

  resetConsumerOffset(group: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    return this.#thenRecheck(this.#offsets.reset(group, topic, offsets))
  }

  minOffset(queue: MessageQueue): Promise<number> {
    return this.#offsets.minOffset(queue)
  }

  maxOffset(queue: MessageQueue): Promise<number> {
    return this.#offsets.maxOffset(queue)
  }

  searchOffset(queue: MessageQueue, timestamp: number): Promise<number> {
    return this.#offsets.searchOffset(queue, timestamp)
  }

  // ---- groups ----

  ensureGroup(group: string): Promise<void> {
    return this.#groups.ensure(group)
  }

  registerConsumer(registration: ConsumerRegistration): Promise<void> {
    return this.#groups.register(registration)
  }

  async unregisterConsumer(group: string, clientId: string): Promise<void> {
    this.#locks.unlockAll(group, clientId)
    this.#members.leave(group, clientId)
    this.#broadcast.end(group, clientId)
  }

  forgetConsumer(group: string, clientId: string): Promise<void> {
    return this.#groups.forget(group, clientId)
  }

  async registerProducer(group: string, clientId: string): Promise<void> {
    this.#members.joinProducer(group, clientId)
  }

  async unregisterProducer(group: string, clientId: string): Promise<void> {
    this.#members.leaveProducer(group, clientId)
  }

  async queryConsumerIds(group: string): Promise<readonly string[]> {
    return this.#members.queueSharerIds(group)
  }

  async lockQueues(
    group: string,
    clientId: string,
    queues: readonly MessageQueue[],
  ): Promise<readonly MessageQueue[]> {
    return this.#locks.lock(group, clientId, queues)
  }

  async unlockQueues(group: string, clientId: string, queues: readonly MessageQueue[]): Promise<void> {
    this.#locks.unlock(group, clientId, queues)
  }

  watch(listener: (event: EngineEvent) => void): () => void {
    return this.#announcer.watch(listener)
  }

  // ---- queries ----

  viewMessage(queue: MessageQueue, offset: number): Promise<MessageView> {
    return this.#queries.viewMessage(queue, offset)
  }

  viewMessageByOffsetId(offsetMessageId: string): Promise<MessageView> {
    return this.#queries.viewMessageByOffsetId(offsetMessageId)
  }

  queryMessagesById(messageId: string): Promise<readonly MessageView[]> {
    return this.#queries.queryMessagesById(messageId)
  }

  queryMessagesByKey(query: KeyQuery): Promise<readonly MessageView[]> {
    return this.#queries.queryMessagesByKey(query)
  }

  // ---- operations ----

  createTopic(config: TopicConfig): Promise<void> {
    return this.#topics.create(config)
  }

  updateTopic(config: TopicConfig): Promise<void> {
    return this.#thenRecheck(this.#topics.update(config))
  }

  deleteTopic(topic: string): Promise<void> {
    return this.#thenRecheck(this.#topics.delete(topic))
  }

  async queryTopics(): Promise<readonly TopicConfig[]> {
    return this.#topics.configs()
  }

  queryTopicStatus(topic: string): Promise<readonly QueueStatus[]> {
    return this.#queries.topicStatus(topic)
  }

  createGroup(config: GroupConfig): Promise<void> {
    return this.#thenRecheck(this.#groups.create(config))
  }

  deleteGroup(group: string): Promise<void> {
    return this.#thenRecheck(this.#groups.delete(group))
  }

  async queryGroups(): Promise<readonly GroupConfig[]> {
    return this.#groups.configs()
  }

  consumerProgress(group: string): Promise<ConsumerProgress> {
    return this.#progress.of(group)
  }

  flush(): Promise<void> {
    return this.#store.flush()
  }

  check(): Promise<CheckReport> {
    return this.#store.check()
  }

  // ---- inspection: what no client needs ----

  /** The consumers of a group as they registered, sorted by client id. */
  registrations(group: string): readonly ConsumerRegistration[] {
    return this.#members.registrations(group)
  }

  /** Where a broadcasting member stands in a queue, if it has an offset. */
  memberOffset(group: string, clientId: string, log: QueueLog): number | undefined {
    return this.#broadcast.offset(group, clientId, log)
  }

  /** Who holds a queue of a group now. */
  leaseOf(group: string, queue: MessageQueue): QueueLease | undefined {
    return this.#locks.leaseOf(group, queue)
  }

  /** Who waits may no longer be allowed to after a change, or may find something elsewhere, also when it failed. */
  async #thenRecheck(change: Promise<void>): Promise<void> {
    try {
      await change
    } finally {
      this.#pull.recheck()
      this.pop.recheck()
    }
  }
}
