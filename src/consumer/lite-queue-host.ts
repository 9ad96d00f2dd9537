/** What a lite pull consumer lends to its queues: how to fetch, how far ahead, and whose offsets to keep. */
import type { Engine } from '../model/engine.ts'
import type { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { PolledMessages } from './consumer-host.ts'
import { FetchBudget } from './fetch-budget.ts'
import type { CompleteLitePullConsumerOptions } from './lite-pull-consumer-options.ts'
import type { LiteQueue, LiteQueueHost } from './lite-queue.ts'
import type { StartWish } from './start-offset.ts'

export interface LiteQueueOwner {
  readonly engine: Engine
  readonly clientId: string
  readonly emit: EmitEvent
  readonly startWish: StartWish
  /** Whether a loop of the application is under way. */
  isLooping(): boolean
  isClosing(): boolean
  offer(queue: LiteQueue): void
  onPolled(polled: PolledMessages): void
  onEnded(queue: LiteQueue): void
  /** There is room for more in all of them. */
  onRoom(): void
  onError(error: MQError): void
}

export function liteQueueHost(
  options: CompleteLitePullConsumerOptions,
  owner: LiteQueueOwner,
): LiteQueueHost {
  const { group, autoCommit, handOverTimeoutMs, pullBatchSize, suspendMs } = options
  const { engine, clientId, emit, startWish, isClosing, offer, onEnded, onError } = owner
  const isBroadcasting = startWish.offsetOwner !== undefined
  const host: LiteQueueHost = {
    engine,
    group,
    autoCommit,
    handOverTimeoutMs,
    pullBatchSize,
    suspendMs,
    startWish,
    offsetOwner: startWish.offsetOwner,
    limits: {
      maxCount: options.pullThresholdForQueue,
      maxBytes: options.pullThresholdSizeForQueueBytes,
      maxSpan: options.consumeMaxSpan,
    },
    budget: new FetchBudget(options.pullThresholdForAll, () => owner.onRoom()),
    commitsAtOnce: () => autoCommit && owner.isLooping(),
    isClosing,
    offer,
    onTaken: (messages) => owner.onPolled({ group, clientId, isBroadcasting, messages }),
    onEnded,
    onError,
  }
  // Offsets that are stored are watched where messages are removed; of others nobody else knows.
  if (!isBroadcasting || options.clientId !== undefined) return host
  return {
    ...host,
    onSkipped: (queue, fromOffset, toOffset) =>
      emit('message-lost', { reason: 'retention', queue, fromOffset, toOffset, group, clientId }),
  }
}
