/**
 * How far a push consumer fetches ahead of its listener (semantics section 6.1): by queue, or as a share of what is allowed
 * for all queues, which changes with their number.
 */
import type { ProcessQueueLimits } from './process-queue.ts'
import type { CompletePushConsumerOptions } from './push-consumer-options.ts'

export class PullLimits {
  readonly #options: CompletePushConsumerOptions
  #queueCount = 0
  #limits: ProcessQueueLimits

  constructor(options: CompletePushConsumerOptions) {
    this.#options = options
    this.#limits = limitsOf(options, 1)
  }

  /** The limits of each queue of a member that has so many. */
  of(queueCount: number): ProcessQueueLimits {
    if (queueCount !== this.#queueCount) {
      this.#queueCount = queueCount
      this.#limits = limitsOf(this.#options, Math.max(1, queueCount))
    }
    return this.#limits
  }
}

function limitsOf(options: CompletePushConsumerOptions, queueCount: number): ProcessQueueLimits {
  const { pullThresholdForTopic, pullThresholdSizeForTopicBytes } = options
  const isInQueueOrder = options.mode === 'orderly' && !options.enableFifoConsumeAccelerator
  const share = (ofAll: number): number => Math.max(1, Math.floor(ofAll / queueCount))
  return {
    maxCount:
      pullThresholdForTopic === undefined ? options.pullThresholdForQueue : share(pullThresholdForTopic),
    maxBytes:
      pullThresholdSizeForTopicBytes === undefined
        ? options.pullThresholdSizeForQueueBytes
        : share(pullThresholdSizeForTopicBytes),
    share: { queueCount, ofCount: pullThresholdForTopic, ofBytes: pullThresholdSizeForTopicBytes },
    // Where each message waits for the one before it, nothing finishes out of order.
    maxSpan: isInQueueOrder ? Number.POSITIVE_INFINITY : options.consumeConcurrentlyMaxSpan,
  }
}
