/** How a producer chooses the queue of a message by an argument (RocketMQ `MessageQueueSelector`, semantics section 3.4). */
import type { RandomSource } from '../model/clock.ts'
import { randomBelow } from '../model/clock.ts'
import { invalidParameter } from '../model/errors.ts'
import { inWords } from '../model/in-words.ts'
import { javaHashCode } from '../model/java-hash.ts'
import type { Message } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'

/**
 * Chooses one of `queues`, which are the writable queues of the topic in RocketMQ's order.
 *
 * It runs within `send`, must answer at once, and must answer one of the queues given. `random` is the randomness of
 * the instance, so that a selector that uses it can be replayed in a test.
 *
 * @example
 * ```ts
 * import { PocketMQ, type QueueSelector } from 'pocketmq'
 * const byRegion: QueueSelector<'eu' | 'us'> = (queues, _message, region) => queues[region === 'eu' ? 0 : 1]!
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const producer = await mq.createProducer({ group: 'order-service' })
 * await producer.send({ topic: 'orders', body: 'hello' }, { selector: byRegion, arg: 'eu' })
 * ```
 */
export type QueueSelector<A = unknown> = (
  queues: readonly MessageQueue[],
  message: Message,
  arg: A,
  random: RandomSource,
) => MessageQueue

/** What {@link selectByHash} can hash as Java would. */
export type HashArgument = string | number | bigint | boolean

/**
 * Equal arguments go to the same queue as long as the number of queues stays the same: `abs(arg.hashCode() % n)` with
 * Java's hash codes (RocketMQ `SelectMessageQueueByHash`). A whole number counts as a Java `int` if it fits, else as a `long`.
 */
export const selectByHash: QueueSelector<HashArgument> = (queues, _message, arg) =>
  queueAt(queues, Math.abs(hashCodeOf(arg) % queues.length))

/** Any queue, all equally likely (RocketMQ `SelectMessageQueueByRandom`). */
export const selectByRandom: QueueSelector = (queues, _message, _arg, random) =>
  queueAt(queues, randomBelow(random, queues.length))

/**
 * Any queue of the brokers in these machine rooms; brokers say theirs in their names, `room@broker`. The argument lists the rooms. Throws
 * `INVALID_PARAMETER` for another argument, and when none of these rooms has a queue.
 *
 * RocketMQ's `SelectMessageQueueByMachineRoom` takes no argument, selects nothing, and so refuses every send.
 *
 * @example
 * ```ts
 * import { PocketMQ, selectByMachineRoom } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory', brokerName: 'hz@broker-a' })
 * const producer = await mq.createProducer({ group: 'order-service' })
 * await producer.send({ topic: 'orders', body: 'hello' }, { selector: selectByMachineRoom, arg: ['hz'] })
 * ```
 */
export const selectByMachineRoom: QueueSelector<readonly string[]> = (queues, _message, rooms, random) => {
  if (!Array.isArray(rooms))
    throw invalidParameter('selectByMachineRoom needs an arg that lists machine rooms.')
  const near = queues.filter(({ brokerName }) => rooms.includes(machineRoomOf(brokerName)))
  if (near.length === 0) throw invalidParameter(`No queue lies in a machine room of ${inWords(rooms)}.`)
  return queueAt(near, randomBelow(random, near.length))
}

/** What stands before the sign, as for the members of a group (RocketMQ `AllocateMessageQueueByMachineRoom`). */
function machineRoomOf(brokerName: string): string | undefined {
  const [room, broker, ...more] = brokerName.split('@')
  return broker === undefined || more.length > 0 ? undefined : room
}

function queueAt(queues: readonly MessageQueue[], index: number): MessageQueue {
  const queue = queues[index]
  if (queue === undefined) throw invalidParameter('There is no queue to select from.')
  return queue
}

function hashCodeOf(arg: unknown): number {
  if (typeof arg === 'string') return javaHashCode(arg)
  if (typeof arg === 'boolean') return arg ? 1231 : 1237
  if (typeof arg === 'bigint') return hashCodeOfLong(arg)
  if (Number.isSafeInteger(arg))
    return arg === ((arg as number) | 0) ? (arg as number) : hashCodeOfLong(BigInt(arg as number))
  throw invalidParameter(
    `selectByHash needs an arg that is a string, a whole number or a boolean, not ${typeof arg}; use the text of the key.`,
  )
}

/** `Long.hashCode`: both halves of the 64 bits, one over the other. */
function hashCodeOfLong(value: bigint): number {
  const bits = BigInt.asUintN(64, value)
  return Number((bits >> 32n) ^ (bits & 0xffff_ffffn)) | 0
}
