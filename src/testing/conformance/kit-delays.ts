/** What rules about delayed messages do: send for a time, and look at what has come. The topic is `orders`, of one queue. */
import { AssertionError, strict as assert } from 'node:assert'
import type { SendReceipt } from '../../model/results.ts'
import { type Duration, toMs } from '../duration.ts'
import type { EngineMQ } from './engine-mq.ts'
import { queueOf, type SendFields, send, textsOf } from './kit.ts'

/** What rules about delays cannot do without. */
export const delayed = ['delay', 'virtualTime'] as const
/** RocketMQ delivers up to a second late, and looks each tenth of one. */
export const SOON_MS = 1500

/** A message that was sent for a time, with the handle that takes it back. */
export type TimedReceipt = SendReceipt & { readonly recallHandle: string }

/** Sends a message for a time so long from now. */
export async function sendIn(
  mq: EngineMQ,
  delay: Duration,
  body = 'x',
  fields: SendFields = {},
): Promise<TimedReceipt> {
  const [receipt] = await send(mq, body, { ...fields, deliveryTimestamp: mq.now() + toMs(delay) })
  if (receipt?.recallHandle === undefined)
    throw new AssertionError({ message: 'The receipt of a delayed message has no recallHandle.' })
  return receipt as TimedReceipt
}

/** What lies in the topic, in the order in which it came. */
export async function arrived(mq: EngineMQ, topic = 'orders'): Promise<string[]> {
  return textsOf(await mq.admin.browse(topic))
}

/** Moves time to just before the moment, and to shortly behind it: these messages come in between. */
export async function expectIn(mq: EngineMQ, delay: Duration, texts: readonly string[]): Promise<void> {
  const queue = await queueOf(mq)
  const before = await mq.admin.maxOffset(queue)
  await mq.advance(toMs(delay) - 1)
  assert.equal(await mq.admin.maxOffset(queue), before, 'it comes too early')
  await mq.advance(1 + SOON_MS)
  assert.deepEqual((await arrived(mq)).slice(before), texts)
}
