/** What rules want to know about a message. */
import { createHash } from 'node:crypto'
import type { OutgoingMessage } from '../../model/outgoing-message.ts'

export function propertyOf({ properties }: OutgoingMessage, wanted: string): string | undefined {
  return properties.find(([name]) => name === wanted)?.[1]
}

/** A short text that is equal for equal bodies. */
export function digestOf({ body }: OutgoingMessage): string {
  return createHash('sha256').update(body).digest('base64')
}
