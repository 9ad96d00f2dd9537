/**
 * Stores a message whose sender gave the id, unless one with this id and topic was stored within the window: then the answer is what the first
 * send was answered.
 *
 * Who was stored is known from two places, which overlap: the sends of this process that the index may not show yet are in memory, all
 * others have a row in the index, which survives the process. So nothing is stored for it, and a send without an id of its own
 * comes by none of this.
 */
import type { Clock } from '../model/clock.ts'
import type { SendRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { formatMessageId } from '../model/message-id.ts'
import { parseOffsetMessageId } from '../model/offset-message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { SendReceipt } from '../model/results.ts'
import type { QueueLog } from '../store/queue-log.ts'
import { findSent, isApplied } from '../store/sent-ids.ts'
import type { Store } from '../store/store.ts'
import { copyBodies } from '../store/waiting-send.ts'

/** So many stored sends are remembered at least, as a repetition often follows closely; more only until the index has them. */
const REMEMBERED_COUNT = 1000

/** A send of one message that may be repeated. */
export type OnceRequest = SendRequest & { readonly messages: OutgoingMessage }

/** A send of this process. */
interface RecentSend {
  readonly sending: Promise<SendReceipt>
  /** Absent as long as it is under way. */
  receipt?: SendReceipt
}

export class Deduplication {
  readonly #store: Store
  readonly #clock: Clock
  readonly #windowMs: number
  /** In the order of the calls, which is about that in which they were stored. */
  readonly #recent = new Map<string, RecentSend>()
  /** The last send to each queue: lookups overlap, and yet messages are stored in the order of the calls. */
  readonly #turns = new Map<number, Promise<unknown>>()

  constructor(
    store: Store,
    clock: Clock,
    { deduplicationWindowMs }: { readonly deduplicationWindowMs: number },
  ) {
    this.#store = store
    this.#clock = clock
    this.#windowMs = deduplicationWindowMs
  }

  /** Answers the first send, if there was one; else what `append` answers. Throws `UNSUPPORTED` without a window. */
  send(
    log: QueueLog,
    request: OnceRequest,
    append: (request: OnceRequest) => Promise<SendReceipt>,
  ): Promise<SendReceipt> {
    if (this.#windowMs === 0) {
      const text = 'Nothing looks for duplicates: open with deduplicationWindowMs, or leave messageId out.'
      throw new MQError('UNSUPPORTED', text)
    }
    const key = `${log.queue.topic} ${formatMessageId(request.messages.messageId)}`
    const earlier = this.#recent.get(key)
    const kept = { ...request, messages: copyBodies(request.messages) as OutgoingMessage }
    const first = (): Promise<SendReceipt> => this.#sendFirst(log, kept, append)
    const sending = earlier === undefined ? first() : this.#sendAgain(earlier, first)
    this.#remember(key, { sending })
    return sending
  }

  /** What failed is not there, or the store has failed with it: then this one is told so too. */
  async #sendAgain(earlier: RecentSend, first: () => Promise<SendReceipt>): Promise<SendReceipt> {
    const receipt = await earlier.sending.catch(() => undefined)
    const isKnown = receipt !== undefined && this.#isThere(receipt) && !this.#hasFailed
    return isKnown ? duplicateOf(receipt) : first()
  }

  async #sendFirst(
    log: QueueLog,
    request: OnceRequest,
    append: (request: OnceRequest) => Promise<SendReceipt>,
  ): Promise<SendReceipt> {
    const { messageId } = request.messages
    const before = this.#turns.get(log.uid)
    const looking = this.#store.read(() =>
      findSent(this.#store.applied, log.queue.topic, messageId, this.#clock.now() - this.#windowMs),
    )
    const decided = Promise.allSettled([looking, before])
    this.#turns.set(log.uid, decided)
    const [found] = await decided
    if (this.#turns.get(log.uid) === decided) this.#turns.delete(log.uid)
    if (found.status === 'rejected') throw found.reason
    if (found.value === undefined || this.#hasFailed) return append(request)
    const { queue, queueOffset, offsetMessageId, storeTimestamp } = found.value
    const id = formatMessageId(messageId)
    const stored = { status: 'SEND_OK', durability: this.#store.durability, messageCount: 1 } as const
    const place = { queue, queueOffset, offsetMessageId, storeTimestamp }
    return { ...stored, ...place, messageId: id, messageIds: [id], isDuplicate: true }
  }

  #remember(key: string, recent: RecentSend): void {
    this.#recent.delete(key)
    this.#recent.set(key, recent)
    recent.sending.then(
      (receipt) => {
        recent.receipt = receipt
        this.#forgetOld()
      },
      () => {
        if (this.#recent.get(key) === recent) this.#recent.delete(key)
      },
    )
  }

  /** Forgets the oldest, up to the first one that the index may not have yet. */
  #forgetOld(): void {
    for (const [key, { receipt }] of this.#recent) {
      if (receipt === undefined) return
      const isNeeded =
        this.#recent.size <= REMEMBERED_COUNT ||
        !isApplied(this.#store.applied, receipt.queue, receipt.queueOffset)
      if (isNeeded && this.#isWithin(receipt.storeTimestamp)) return
      this.#recent.delete(key)
    }
  }

  /** Nobody knows what of the last sends is on the disk, so nothing is said about them: what is appended now is refused. */
  get #hasFailed(): boolean {
    return this.#store.state === 'failed'
  }

  /** Within the window, and not gone with its topic, of whose name there may be another one by now. */
  #isThere({ storeTimestamp, offsetMessageId }: SendReceipt): boolean {
    const { queueUid } = parseOffsetMessageId(offsetMessageId)
    return this.#isWithin(storeTimestamp) && this.#store.catalog.log(queueUid)?.isClosed === false
  }

  #isWithin(storeTimestamp: number): boolean {
    return this.#clock.now() - storeTimestamp < this.#windowMs
  }
}

function duplicateOf(receipt: SendReceipt): SendReceipt {
  const { status, durability, messageId, offsetMessageId, messageIds } = receipt
  const { queue, queueOffset, messageCount, storeTimestamp } = receipt
  const ids = { messageId, offsetMessageId, messageIds }
  return { status, durability, ...ids, queue, queueOffset, messageCount, storeTimestamp, isDuplicate: true }
}
