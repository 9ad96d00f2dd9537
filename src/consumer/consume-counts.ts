/** What a push consumer has done since it was started; the counters of its `stats`. */
export class ConsumeCounts {
  /** Messages consumed. */
  succeededCount = 0
  /** Messages whose delivery failed: the listener answered so, threw, or acknowledged only a part of its batch. */
  failedCount = 0
  /** Messages whose listener took longer than `consumeTimeoutMs`. */
  timedOutCount = 0
  /** Messages that a broadcasting member could not consume and dropped. */
  droppedCount = 0
  /** Milliseconds that the calls of the listener took, added up. */
  consumeDurationMs = 0
  /** Pulls that were answered, also with nothing. */
  pullCount = 0
  /** Messages that pulls found. */
  pulledMessageCount = 0
  /** Milliseconds that the pulls which found something took, waiting for it included, added up. */
  pullDurationMs = 0

  /** A pull was answered. */
  countPull(messageCount: number, durationMs: number): void {
    this.pullCount += 1
    if (messageCount === 0) return
    this.pulledMessageCount += messageCount
    this.pullDurationMs += durationMs
  }

  /** The counters as they are now. */
  snapshot(): ConsumeCountValues {
    return { ...this }
  }
}

/** The counters alone. */
export type ConsumeCountValues = Readonly<Omit<ConsumeCounts, 'countPull' | 'snapshot'>>
