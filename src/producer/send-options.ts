/** What may be said about one send besides the message; checked by hand, since it is on the way of every message. */

import type { ChainedBatch } from '../model/chained-batch.ts'
import type { RandomSource } from '../model/clock.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { inWords } from '../model/in-words.ts'
import type { Message } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { checkTakesGroups, checkTakesSeveralPriorities } from '../model/queue-choice.ts'
import { isBatch } from './outgoing-batch.ts'
import type { PublishRoute, RouteCheck } from './publish-routes.ts'
import type { QueueSelector } from './queue-selector.ts'
import type { Transaction } from './transaction.ts'

/** Options of one `send` or `sendOneway`. */
export interface SendOptions<A = unknown> {
  /** The queue to send to. Without it, a selector, a message group, and a priority in a priority topic, queues take turns. */
  readonly queue?: MessageQueue | undefined
  /** Chooses the queue; called once per send, for a batch with its first message. */
  readonly selector?: QueueSelector<A> | undefined
  /** What the selector chooses by. */
  readonly arg?: A | undefined
  /** Stores the message as the half of this transaction: nobody sees it before `transaction.commit()`. */
  readonly transaction?: Transaction | undefined
  /**
   * The id to store the message under, by `messageIdFor`. A send that was stored with it, to the same topic and within the instance's
   * `deduplicationWindowMs`, is not stored again: its receipt comes back, and `isDuplicate` says so. So a send whose outcome nobody knows can be
   * repeated, by another process as well. Not for a batch, a delayed message, a request or the message of a transaction.
   */
  readonly messageId?: string | undefined
  /** How long this send may wait for room, in milliseconds. Default: the producer's `sendMsgTimeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** Takes the send back with `ABORTED` as long as it waits; what is already being written is not taken back. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Options of a `send` into a chained batch of the application's own database.
 *
 * @example
 * ```ts
 * import { Level } from 'level'
 * import { PocketMQ } from 'pocketmq'
 * const database = new Level('./app')
 * const mq = await PocketMQ.open('./data', { database })
 * const producer = await mq.createProducer({ group: 'shop' })
 * const batch = database.batch().put('order o-42', 'paid')
 * await producer.send({ topic: 'orders', body: 'o-42', tag: 'paid' }, { batch })
 * await batch.write({ sync: true }) // both, or neither
 * ```
 */
export interface OutboxSendOptions<A = unknown> extends SendOptions<A> {
  /**
   * The batch of the database that the instance was opened with. The message is sent when the batch is written; `timeoutMs` is then that of
   * each attempt, and a selector chooses now.
   */
  readonly batch: ChainedBatch
  readonly transaction?: undefined
}

const FIELDS: ReadonlySet<string> = new Set([
  'queue',
  'selector',
  'arg',
  'transaction',
  'messageId',
  'batch',
  'timeoutMs',
  'signal',
])

/** Options of a send as they were read: each field once. */
export type ReadSendOptions<A> = SendOptions<A> & Partial<Pick<OutboxSendOptions<A>, 'batch'>>

/**
 * Reads the options of a send. Refuses those that are unknown, contradict each other or cannot be read, and a signal that is already
 * aborted.
 */
export function readSendOptions<A>(options: SendOptions<A> = {}): ReadSendOptions<A> {
  try {
    return checkedOptions(options)
  } catch (error) {
    throw MQError.from(error, 'INVALID_PARAMETER')
  }
}

function checkedOptions<A>(options: ReadSendOptions<A>): ReadSendOptions<A> {
  if (typeof options !== 'object' || options === null) {
    throw invalidParameter('The options of a send must be an object.')
  }
  for (const field in options) {
    if (!FIELDS.has(field)) {
      throw invalidParameter(`send has no option '${field}'; known are ${[...FIELDS].join(', ')}.`)
    }
  }
  const { queue, selector, arg, transaction, messageId, timeoutMs, signal, batch } = options
  const read = {
    queue,
    selector,
    arg,
    transaction,
    messageId,
    timeoutMs,
    signal,
    ...(batch !== undefined && { batch }),
  }
  checkOptions(read)
  return read
}

function checkOptions<A>({
  queue,
  selector,
  arg,
  timeoutMs,
  signal,
  transaction,
  batch,
}: ReadSendOptions<A>): void {
  if (queue !== undefined && selector !== undefined) {
    throw invalidParameter('Give either a queue or a selector, not both.')
  }
  if (queue !== undefined && !isQueue(queue)) {
    throw invalidParameter('The queue must have a topic, a brokerName and a queueId.')
  }
  if (selector !== undefined && typeof selector !== 'function') {
    throw invalidParameter('The selector must be a function.')
  }
  if (arg !== undefined && selector === undefined) {
    throw invalidParameter("'arg' needs a selector, such as selectByHash.")
  }
  if (timeoutMs !== undefined && !(Number.isSafeInteger(timeoutMs) && timeoutMs > 0)) {
    throw invalidParameter(
      `timeoutMs must be a whole number of milliseconds above 0, not ${inWords(timeoutMs)}.`,
    )
  }
  if (signal !== undefined) checkSignal(signal)
  if (transaction !== undefined && batch !== undefined)
    throw invalidParameter(
      'A message is either part of a transaction or of a batch of your database, not both.',
    )
}

/** The same for a one-way send; refuses what nobody may forget about. */
export function readOnewayOptions<A>(options: SendOptions<A> | undefined): ReadSendOptions<A> {
  const read = readSendOptions(options)
  if (read.transaction !== undefined)
    throw invalidParameter(
      'A message in a transaction is not sent one-way: its sender must know that it is stored.',
    )
  if (read.batch !== undefined)
    throw invalidParameter(
      'A message for a batch is not sent one-way: its sender must know that it lies in the batch.',
    )
  return read
}

/** Refuses what cannot be the half of a transaction (semantics section 11.2: what is not possible). */
export function checkHalf<A>(
  message: Message | readonly Message[],
  { queue, selector }: SendOptions<A>,
): void {
  if (Array.isArray(message)) throw illegalHalf('A batch')
  const { delayTimeLevel, deliveryTimestamp, messageGroup, priority } = message as Message
  if (delayTimeLevel !== undefined || deliveryTimestamp !== undefined) throw illegalHalf('A delayed message')
  if (messageGroup !== undefined) throw illegalHalf('A message with a messageGroup')
  if (priority !== undefined) throw illegalHalf('A message with a priority')
  if ((queue ?? selector) !== undefined)
    throw invalidParameter('A message in a transaction takes the next queue; leave queue and selector out.')
}

function illegalHalf(what: string): MQError {
  return new MQError('MESSAGE_ILLEGAL', `${what} cannot be sent in a transaction.`)
}

/** What a send asks its route, once that is known; refuses options that contradict the message. */
export function routing<A>(
  message: Message | readonly Message[],
  options: SendOptions<A>,
  random: RandomSource,
): {
  readonly chooseQueue: (route: PublishRoute) => MessageQueue
  readonly checkRoute: RouteCheck | undefined
} {
  const first = isBatch(message) ? message[0]! : message
  return { chooseQueue: queueChooser(first, options, random), checkRoute: routeCheckOf(message, first) }
}

/** How the queue is chosen. */
function queueChooser<A>(
  first: Message,
  { queue, selector, arg }: SendOptions<A>,
  random: RandomSource,
): (route: PublishRoute) => MessageQueue {
  if (first.messageGroup !== undefined && (queue ?? selector) !== undefined) {
    const given = queue === undefined ? 'selector' : 'queue'
    throw invalidParameter(
      `A message with a messageGroup goes to the queue of its group; leave the ${given} out.`,
    )
  }
  if (queue !== undefined) return (route) => route.find(queue)
  if (selector === undefined) return chooserOf(first)
  return (route) => {
    const selected = select(() => selector(route.choosable, first, arg as A, random))
    route.checkSelected(selected)
    return selected
  }
}

/** What the topic must take besides; nothing for what every topic takes. */
function routeCheckOf(message: Message | readonly Message[], first: Message): RouteCheck | undefined {
  if (first.messageGroup !== undefined) return checkTakesGroups
  const isMixed = isBatch(message) && message.some(({ priority = 0 }) => priority !== (first.priority ?? 0))
  return isMixed ? checkTakesSeveralPriorities : undefined
}

/** How a message chooses its queue when nothing is said about that. It may be changed while the route is on its way. */
export function chooserOf({ messageGroup, priority }: Message): (route: PublishRoute) => MessageQueue {
  return (route) => route.queueFor({ messageGroup, priority })
}

/** Throws `ABORTED` if the signal is aborted. */
export function checkSignal(signal: AbortSignal): void {
  if (!(signal instanceof AbortSignal)) throw invalidParameter('The signal must be an AbortSignal.')
  if (!signal.aborted) return
  throw new MQError('ABORTED', 'The send was aborted before anything was written.', {
    cause: signal.reason,
    outcome: 'not-attempted',
  })
}

function select(selector: () => MessageQueue): MessageQueue {
  try {
    return selector()
  } catch (error) {
    throw new MQError('INVALID_PARAMETER', `The queue selector threw: ${MQError.from(error).message}`, {
      cause: error,
    })
  }
}

function isQueue(queue: unknown): queue is MessageQueue {
  if (typeof queue !== 'object' || queue === null) return false
  const { topic, brokerName, queueId } = queue as Partial<MessageQueue>
  return typeof topic === 'string' && typeof brokerName === 'string' && Number.isSafeInteger(queueId)
}
