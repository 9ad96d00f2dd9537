/** A push consumer: concurrent or orderly, sharing or broadcasting. */
import type { PushConsumer } from '../../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../../src/consumer/push-consumer-options.ts'
import type { MessageView } from '../../../src/model/message.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import { expressionOf } from '../model/wishes.ts'
import type { Life } from '../world/life.ts'
import type { Member, MemberHost } from './member.ts'

export class PushMember implements Member {
  readonly name: string
  readonly group: GroupProfile
  readonly life: Life
  isPaused = false
  readonly #host: MemberHost
  #consumer: PushConsumer | undefined

  constructor(host: MemberHost, life: Life, group: GroupProfile, name: string) {
    this.#host = host
    this.life = life
    this.group = group
    this.name = name
  }

  async join(): Promise<void> {
    this.#consumer = await this.life.mq.createPushConsumer(this.#options())
  }

  begin(): void {}

  leave(): Promise<{ readonly drained: boolean }> {
    return this.#consumer!.close()
  }

  pause(): void {
    this.#consumer?.pause()
  }

  resume(): void {
    this.#consumer?.resume()
  }

  #options(): PushConsumerOptions {
    const { name: group, kind, isOrderly, maxReconsumeTimes, dropsFailures, batchSize } = this.group
    const { consumeTimeoutMs, closeTimeoutMs, concurrency, pullBatchSize, suspendMs } = this.group
    const { pullThresholdForQueue, consumeConcurrentlyMaxSpan, consumeFromWhere } = this.group
    const { suspendCurrentQueueTimeMs, byMessageGroup } = this.group
    const { listeners } = this.#host
    const expressions = [...this.group.subscriptions].map(([topic, wish]) => [topic, expressionOf(wish)])
    const fetching = { pullBatchSize, suspendMs, pullThresholdForQueue, consumeConcurrentlyMaxSpan }
    const common = {
      group,
      clientId: this.name,
      subscriptions: Object.fromEntries(expressions),
      mode: isOrderly ? 'orderly' : 'concurrent',
      ...(maxReconsumeTimes !== Infinity && { maxReconsumeTimes }),
      ...(isOrderly && { suspendCurrentQueueTimeMs, enableFifoConsumeAccelerator: byMessageGroup }),
      ...(kind === 'broadcasting' && broadcasting(dropsFailures)),
      ...{ consumeTimeoutMs, closeTimeoutMs, concurrency, consumeFromWhere, ...fetching },
    } as const
    if (batchSize === undefined)
      return { ...common, listener: (message, context) => listeners.hear(this, [message], context) }
    return {
      ...common,
      consumeMessageBatchMaxSize: batchSize,
      listener: (messages: readonly MessageView[], context) => listeners.hear(this, messages, context),
    }
  }
}

function broadcasting(dropsFailures: boolean) {
  return { messageModel: 'broadcasting', broadcastFailure: dropsFailures ? 'drop' : 'retry' } as const
}
