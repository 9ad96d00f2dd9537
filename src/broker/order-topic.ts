/**
 * Order topics (RocketMQ `TopicConfig#order` and its `orderTopicConf`). The number of queues that message groups and
 * selectors choose from is fixed when a topic becomes one: another number would send what belongs together to two queues.
 */
import type { TopicConfig } from '../model/topic.ts'

/** The settings as they are stored. To choose from another number of queues, a topic must first stop to be an order topic. */
export function fixOrder(
  { order, orderQueueNums: _, ...config }: TopicConfig,
  existing?: TopicConfig,
): TopicConfig {
  if (order !== true) return config
  const isOne = existing?.order === true
  return {
    ...config,
    order,
    orderQueueNums: (isOne ? existing.orderQueueNums : undefined) ?? config.writeQueueNums,
  }
}

export function isOrderTopic({ order }: TopicConfig): boolean {
  return order === true
}
