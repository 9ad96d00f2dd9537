/** Tells and stores that messages failed which stay where they are. */
import type { Engine } from '../model/engine.ts'
import type { EmitEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import type { ConsumeCounts } from './consume-counts.ts'

/** Whose messages failed. */
export interface AttemptsHost {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  readonly messageModel: 'clustering' | 'broadcasting'
  /** Whether a broadcasting member comes back under its client id. */
  readonly isNamed: boolean
  /** How often a message is delivered again before it is given up. */
  readonly maxReconsumeTimes: number
  readonly counts: ConsumeCounts
  readonly emit: EmitEvent
}

/**
 * Remembers how often a message failed, which it says itself: for the group, or for the broadcasting member alone. Nothing is
 * remembered of a member that will not come back.
 */
export async function storeAttempts(
  { engine, group, clientId, messageModel, isNamed }: AttemptsHost,
  { queue, queueOffset, reconsumeTimes }: MessageView,
): Promise<void> {
  const attempts = [{ queueOffset, reconsumeTimes }]
  if (messageModel === 'clustering') await engine.updateAttempts(group, queue, attempts)
  else if (isNamed) await engine.updateAttempts(group, queue, attempts, clientId)
}

export function tellOfRetries(
  { emit, group }: AttemptsHost,
  messages: readonly MessageView[],
  dueTimestamp: number,
  reason: string,
): void {
  for (const { topic, messageId, reconsumeTimes } of messages) {
    emit('retry', { group, topic, messageId, reconsumeTimes, dueTimestamp, reason })
  }
}
