/** Undoes what a producer did to a large body. It runs when somebody reads it, so what is only passed on costs nothing. */
import { inflateSync } from 'node:zlib'
import { MQError } from '../model/errors.ts'
import { MESSAGE_MAX_BYTES } from '../model/limits.ts'
import { COMPRESSION_ZLIB } from '../model/outgoing-message.ts'

/**
 * The body as it was sent. The bytes passed their checksum, so what cannot be inflated was written so: it is told by `STORE_CORRUPTED`, and no
 * more memory is taken than the largest message needs.
 */
export function inflateBody(body: Buffer, compression: string, messageId: string): Buffer {
  try {
    if (compression !== COMPRESSION_ZLIB) throw new RangeError(`unknown compression '${compression}'`)
    return inflateSync(body, { maxOutputLength: MESSAGE_MAX_BYTES })
  } catch (cause) {
    const { message } = MQError.from(cause)
    const text = `The body of the message ${messageId} cannot be inflated: ${message}`
    throw new MQError('STORE_CORRUPTED', text, { cause })
  }
}
