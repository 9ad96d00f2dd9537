/** What spans say, by the semantic conventions for messaging and those for Apache RocketMQ. */
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { SendTrace, TracedClient, TracedMessage } from '../model/tracing.ts'
import type { TelemetryValue } from './api.ts'

export type Attributes = Record<string, TelemetryValue>

/** The name of an operation as PocketMQ calls it, and what kind it is. */
export interface Operation {
  readonly name: 'send' | 'process' | 'receive' | 'ack' | 'nack'
  readonly type: 'send' | 'process' | 'receive' | 'settle'
}

export function sendAttributes(trace: SendTrace): Attributes {
  const { queue, messages, type } = trace
  const only = messages.length === 1 ? messages[0] : undefined
  return {
    ...operationAttributes({ name: 'send', type: 'send' }, trace),
    ...queueAttributes(queue),
    'messaging.rocketmq.message.type': type.toLowerCase(),
    ...(only === undefined
      ? { 'messaging.batch.message_count': messages.length }
      : { ...messageAttributes(only), 'messaging.message.body.size': only.bodyBytes }),
  }
}

/** Of what a consumer got. Messages of one call may lie in several topics; then no one is named. */
export function consumeAttributes(
  operation: Operation,
  client: TracedClient,
  messages: readonly MessageView[],
  isBatch: boolean,
): Attributes {
  const [first] = messages
  const topics = new Set(messages.map(({ topic }) => topic))
  return {
    ...operationAttributes(operation, client),
    'messaging.consumer.group.name': client.group,
    ...(first !== undefined && topics.size === 1 && { 'messaging.destination.name': first.topic }),
    ...(isBatch || first === undefined
      ? { 'messaging.batch.message_count': messages.length }
      : {
          ...messageAttributes(first),
          'messaging.message.body.size': first.body.length,
          'messaging.destination.partition.id': String(first.queue.queueId),
        }),
  }
}

/** What makes an error group: the code of the error. */
export function errorType(error: unknown): string {
  return MQError.from(error).code
}

function operationAttributes({ name, type }: Operation, { clientId }: TracedClient): Attributes {
  return {
    'messaging.system': 'rocketmq',
    'messaging.operation.name': name,
    'messaging.operation.type': type,
    'messaging.client.id': clientId,
  }
}

function queueAttributes({ topic, queueId }: MessageQueue): Attributes {
  return { 'messaging.destination.name': topic, 'messaging.destination.partition.id': String(queueId) }
}

function messageAttributes(
  message: Pick<TracedMessage, 'messageId' | 'tag' | 'keys' | 'messageGroup'>,
): Attributes {
  const { messageId, tag, keys, messageGroup } = message
  return {
    'messaging.message.id': messageId,
    ...(tag !== undefined && { 'messaging.rocketmq.message.tag': tag }),
    ...(keys.length > 0 && { 'messaging.rocketmq.message.keys': [...keys] }),
    ...(messageGroup !== undefined && { 'messaging.rocketmq.message.group': messageGroup }),
  }
}
