/** When a delayed message becomes visible (semantics section 10). */
import { invalidParameter, MQError } from './errors.ts'

/** After the delay of a level, 1 and up, or at a time in milliseconds since 1970. */
export type Delay = { readonly delayTimeLevel: number } | { readonly deliveryTimestamp: number }

/** Refuses what is no handle; a receipt has none when its message does not wait, or waits for the time of a level. */
export function checkRecallHandle(handle: unknown): asserts handle is string {
  if (handle === undefined) {
    const text =
      'There is no recallHandle: the message was delivered at once, or was sent with a delayTimeLevel.'
    throw new MQError('ILLEGAL_OPERATION', text)
  }
  if (typeof handle !== 'string' || handle === '')
    throw invalidParameter('The recallHandle must be a string that is not empty.')
}
