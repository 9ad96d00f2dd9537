/** Puts the layers of a session around the listener of a push consumer. */
import type { ConsumeResult } from '../consumer/message-listener.ts'
import type { PushConsumerOptions } from '../consumer/push-consumer-options.ts'
import type { MessageView } from '../model/message.ts'
import { layeredCall } from './layer.ts'
import type { Life } from './life.ts'
import type { TestSession } from './test-session.ts'

/** RocketMQ's default, which `createPushConsumer` has too. */
const CONSUME_TIMEOUT_MS = 15 * 60_000

interface ListenerPlace {
  readonly clientId: string
  readonly life: Life
  readonly session: TestSession
}

/** The options, with the listener behind the layers. What is no listener is for others to refuse. */
export function layeredListener(
  options: PushConsumerOptions,
  { clientId, life, session }: ListenerPlace,
): PushConsumerOptions {
  if (typeof options?.listener !== 'function') return options
  const { group, consumeTimeoutMs = CONSUME_TIMEOUT_MS } = options
  const isBatch = options.consumeMessageBatchMaxSize !== undefined
  const listen = options.listener as (input: unknown, context: unknown) => Promise<ConsumeResult | undefined>
  const heard = layeredCall(
    life.listener(async ({ messages, context }) => listen(isBatch ? messages : messages[0], context)),
    session.observers,
  )
  const call = layeredCall(life.gateCalls(heard), session.disturbers)
  const listener = (input: MessageView | readonly MessageView[], context: Parameters<typeof listen>[1]) =>
    call({
      group,
      clientId,
      messages: [input].flat() as MessageView[],
      context: context as never,
      isOrderly: options.mode === 'orderly',
      consumeTimeoutMs,
    })
  return { ...options, listener } as PushConsumerOptions
}
