/** Reads the message that lies with an alarm, where a damaged one is as good as none. */
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { Alarm } from '../store/fact.ts'
import type { Store } from '../store/store.ts'

/** The message, or `undefined` when it is damaged or gone; another failure may pass and rejects. */
export async function readParked({ parking }: Store, alarm: Alarm): Promise<MessageView | undefined> {
  try {
    return await parking.message(alarm)
  } catch (error) {
    if (error instanceof MQError && error.code === 'STORE_CORRUPTED') return undefined
    throw error
  }
}
