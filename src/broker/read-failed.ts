/** Reads a message that is to be tried again, or says why it cannot be. */
import { MQError } from '../model/errors.ts'
import type { MessageLostEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import type { Store } from '../store/store.ts'

type LossReason = MessageLostEvent['reason']

/** The failed message, or why it is gone. A read that may succeed another time rejects. */
export async function readFailed(
  store: Store,
  queueUid: number,
  queueOffset: number,
): Promise<MessageView | LossReason> {
  try {
    const message = await store.readRecord(queueUid, queueOffset)
    return message ?? 'retention'
  } catch (error) {
    if (error instanceof MQError && error.code === 'STORE_CORRUPTED') return 'corruption'
    throw error
  }
}

export function isMessage(found: MessageView | LossReason): found is MessageView {
  return typeof found !== 'string'
}
