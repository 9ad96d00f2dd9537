/**
 * The events of all instances on `node:diagnostics_channel`. The channels are held here for as long as the process lives: Node.js forgets
 * those that nobody holds.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { MQEvents } from '../model/events.ts'
import type { DeliveryTrace, SendTrace } from '../model/tracing.ts'

export const sendChannel = tracingChannel<unknown, SendTrace>('pocketmq:send')
export const deliverChannel = tracingChannel<unknown, DeliveryTrace>('pocketmq:deliver')
export const receiveChannel = channel('pocketmq:receive')
export const settleChannel = channel('pocketmq:settle')
export const endTransactionChannel = channel('pocketmq:end-transaction')
export const recallChannel = channel('pocketmq:recall')
const retryChannel = channel('pocketmq:retry')
const deadLetterChannel = channel('pocketmq:dead-letter')

/** Publishes those events of an instance that belong to the life of a message. */
export function publishEvent(name: keyof MQEvents, event: unknown): void {
  if (name === 'retry' && retryChannel.hasSubscribers) retryChannel.publish(event)
  if (name === 'dead-letter' && deadLetterChannel.hasSubscribers) deadLetterChannel.publish(event)
}
