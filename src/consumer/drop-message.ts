/** The end of a message that a broadcasting member could not consume: counted and told, for nobody gets it again. */
import type { EmitEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import type { ConsumeCounts } from './consume-counts.ts'

export interface DropHost {
  readonly group: string
  readonly clientId: string
  readonly counts: ConsumeCounts
  readonly emit: EmitEvent
}

export function dropMessage(
  { group, clientId, counts, emit }: DropHost,
  message: MessageView,
  reason: string,
): void {
  const { topic, messageId, queue, queueOffset } = message
  counts.droppedCount += 1
  const reconsumeTimes = message.reconsumeTimes + 1
  emit('message-dropped', { group, clientId, topic, messageId, queue, queueOffset, reconsumeTimes, reason })
}
