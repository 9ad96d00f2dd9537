/** Makes large bodies smaller before they are stored (RocketMQ `DefaultMQProducerImpl#tryToCompressMessage`, semantics section 2.7). */
import { deflateSync } from 'node:zlib'
import { plainView } from '../model/body-bytes.ts'
import type { SendRequest } from '../model/engine.ts'
import { COMPRESSION_ZLIB, checkBodySize, type OutgoingMessage } from '../model/outgoing-message.ts'
import { PropertyName } from '../model/properties.ts'
import type { AroundSend } from './around-sends.ts'

/** RocketMQ's level: a little quicker than zlib's own default, and hardly larger. */
const LEVEL = 5

/** Compresses single messages with a body of at least so many bytes. A batch is never compressed. */
export function compressing(leastBytes: number): AroundSend {
  return (_kind, request, send) => {
    const { messages } = request
    if (!('topic' in messages) || messages.bodyBytes < leastBytes) return send(request)
    return send(withMessage(request, compressMessage(messages)))
  }
}

function withMessage<Request extends SendRequest>(request: Request, messages: OutgoingMessage): Request {
  return { ...request, messages }
}

/**
 * The same message with a compressed body; the very message where that would not be smaller. Its size by RocketMQ's formula stays that of
 * what was sent: limits do not depend on how well a body can be compressed.
 */
function compressMessage(message: OutgoingMessage): OutgoingMessage {
  checkBodySize(message)
  const { body } = message
  const deflated = deflateSync(typeof body === 'string' ? body : plainView(body), { level: LEVEL })
  if (deflated.length + MARKER_BYTES >= message.bodyBytes) return message
  const properties = [MARKER, ...message.properties]
  return { ...message, body: deflated, bodyBytes: deflated.length, properties, uncompressed: message }
}

const MARKER = [PropertyName.COMPRESSION, COMPRESSION_ZLIB] as const
/** What the marker takes in a record, with its two lengths. */
const MARKER_BYTES = MARKER[0].length + MARKER[1].length + 4
