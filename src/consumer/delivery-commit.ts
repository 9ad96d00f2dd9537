/**
 * What `context.commit` does for one delivery: the state of the application and the acknowledgement in one write. From its beginning to its
 * end the delivery waits for it, whatever the listener answers meanwhile and whether its time is over.
 */
import type { ChainedBatch } from '../model/chained-batch.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { Inbox } from '../model/inbox.ts'
import type { MessageView } from '../model/message.ts'
import type { Delivery } from './delivery.ts'
import type { ProcessQueue } from './process-queue.ts'

/** Whose commit it is. */
interface CommittingDelivery {
  readonly group: string
  readonly queue: ProcessQueue
  readonly messages: readonly MessageView[]
  /** Whether its listener has neither answered nor had its time. */
  isOpen(): boolean
  /** Why its answer does not count any more, if so: its messages come again. */
  abortReason(): MQError | undefined
}

export class DeliveryCommit {
  readonly #inbox: Inbox
  readonly #delivery: CommittingDelivery
  #underWay: Promise<void> | undefined
  #isDone = false
  #error: MQError | undefined

  constructor(inbox: Inbox, delivery: CommittingDelivery) {
    this.#inbox = inbox
    this.#delivery = delivery
  }

  /** Resolves, never rejects, when the write is over; `undefined` when none is under way. */
  get underWay(): Promise<void> | undefined {
    return this.#underWay
  }

  /** Whether a write succeeded: the messages are done, whatever the listener does, and whatever else it tries to write. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Why the last write failed, if none succeeded. */
  get error(): MQError | undefined {
    return this.#isDone ? undefined : this.#error
  }

  /** Who does not look how it ends need not: the attempt fails with it, or its messages come again anyway. */
  commit(batch: ChainedBatch, options: object | undefined): Promise<void> {
    const { group, queue, messages } = this.#delivery
    const comesAgain = this.#delivery.isOpen() ? refusalOf(queue) : this.#delivery.abortReason()
    if (comesAgain !== undefined) return handled(Promise.reject(comesAgain))
    const refusal = this.#delivery.isOpen()
      ? this.#refusalOfSecond()
      : illegal('The listener has answered already.')
    if (refusal !== undefined) return Promise.reject(refusal)
    const committed = messages.map((message) => ({
      message,
      isInherited: queue.mayHaveBeenSentBack(message),
    }))
    const writing = this.#inbox.commit(group, committed, batch, options)
    this.#underWay = writing.then(
      () => this.#end(undefined),
      (error: unknown) => this.#end(MQError.from(error)),
    )
    return writing
  }

  /** The delivery waits for the one that is under way; a second one would end that wait. */
  #refusalOfSecond(): MQError | undefined {
    return this.#underWay && illegal('A commit of this delivery is under way already.')
  }

  #end(error: MQError | undefined): void {
    this.#underWay = undefined
    this.#isDone ||= error === undefined
    this.#error = error
  }
}

/** Lets the listener of this delivery commit. */
export function offerCommit(
  inbox: Inbox,
  group: string,
  delivery: Delivery,
  messages: readonly MessageView[],
): void {
  const { queue, context } = delivery
  context.committing = new DeliveryCommit(inbox, {
    group,
    queue,
    messages,
    isOpen: () => delivery.isRunning && delivery.context === context,
    abortReason: () => context.abortReason,
  })
}

/** Refuses a commit where there is nothing to commit by. */
export function commitImpossible(): MQError {
  return invalidParameter(
    'context.commit needs an instance with a database, PocketMQ.open(path, { database }), and a clustering consumer.',
  )
}

/** What this queue had is delivered anew, by another member or from another offset: two could commit one message. */
function refusalOf(queue: ProcessQueue): MQError | undefined {
  if (!queue.isDiscarded) return undefined
  return illegal(
    'The message is delivered anew: its queue has another owner now, or offsets were set from outside.',
  )
}

function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

function illegal(text: string): MQError {
  return new MQError('ILLEGAL_OPERATION', text, { outcome: 'not-attempted' })
}
