/**
 * What simple and lite pull consumers handed to the application, until it is settled: the ledger learns from here that it was
 * delivered and what became of it. Received messages are known by their handles, polled ones by where their owner stands.
 */
import type { PolledMessages } from '../consumer/consumer-host.ts'
import type { PoppedMessage, PopReceipt } from '../model/engine.ts'
import type { MessageView } from '../model/message.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { offsetOwnerOf } from '../model/offset-owner.ts'
import { isReservedProperty } from '../model/properties.ts'
import type { Ledger, SentContent } from './ledger.ts'

/** One message in the hands of one consumer. */
export interface HandedOutMessage {
  readonly topic: string
  readonly messageId: string
  readonly group: string
  readonly clientId: string
  readonly deliveryAttempt: number
  readonly timestamp: number
}

export class HandedOut {
  readonly #ledger: Ledger
  readonly #now: () => number
  /** By receipt handle. */
  readonly #received = new Map<string, HandedOutMessage>()
  /** By owner of the offset and queue, then by offset. */
  readonly #polled = new Map<string, Map<number, HandedOutMessage>>()

  constructor(ledger: Ledger, now: () => number) {
    this.#ledger = ledger
    this.#now = now
  }

  /** A simple consumer received messages. */
  receive(group: string, clientId: string, messages: readonly PoppedMessage[]): void {
    for (const { message, deliveryAttempt, receiptHandle } of messages) {
      this.#received.set(receiptHandle, this.#deliver({ group, clientId, deliveryAttempt }, message))
    }
  }

  /** The delivery goes on under another handle. */
  renew(receiptHandle: string, renewed: PopReceipt): void {
    const message = this.#received.get(receiptHandle)
    if (message === undefined) return
    this.#received.delete(receiptHandle)
    this.#received.set(renewed.receiptHandle, message)
  }

  acknowledge(receiptHandle: string): void {
    const message = this.#received.get(receiptHandle)
    if (!this.#received.delete(receiptHandle) || message === undefined) return
    this.#settle('acknowledged', message)
  }

  /** The application gave the message back. */
  fail(receiptHandle: string, reason: string): void {
    const message = this.#received.get(receiptHandle)
    if (message === undefined) return
    const { timestamp: _, ...who } = message
    this.#ledger.record({ type: 'failed', ...who, reason })
  }

  /** A lite pull consumer handed messages out. */
  poll({ group, clientId, isBroadcasting, messages }: PolledMessages): void {
    for (const message of messages) {
      const { deliveryAttempt, queue, queueOffset } = message
      const key = keyOf(group, queue, isBroadcasting ? clientId : undefined)
      const polled = this.#polled.get(key) ?? new Map<number, HandedOutMessage>()
      polled.set(queueOffset, this.#deliver({ group, clientId, deliveryAttempt }, message))
      this.#polled.set(key, polled)
    }
  }

  /** An offset was committed: what was polled before it is done. */
  commit(group: string, queue: MessageQueue, offset: number, clientId?: string): void {
    for (const [polledOffset, message] of this.#before(group, queue, offset, clientId)) {
      this.#polled.get(keyOf(group, queue, clientId))?.delete(polledOffset)
      this.#settle('acknowledged', message)
    }
  }

  /** Whether a commit would settle something that was polled. */
  isCommit(group: string, queue: MessageQueue, offset: number, clientId?: string): boolean {
    return this.#before(group, queue, offset, clientId).length > 0
  }

  /** Who polled the message at an offset and is not done with it. */
  polledAt(
    group: string,
    queue: MessageQueue,
    offset: number,
    clientId?: string,
  ): HandedOutMessage | undefined {
    return this.#polled.get(keyOf(group, queue, clientId))?.get(offset)
  }

  /** Offsets of a topic were set from outside: what was polled of it is polled again. */
  reset(group: string, topic: string): void {
    for (const polled of this.#polled.values()) {
      for (const [offset, message] of polled)
        if (message.group === group && message.topic === topic) polled.delete(offset)
    }
  }

  /** A consumer is gone, and what it had polled is polled again. */
  leave(group: string, clientId: string): void {
    for (const polled of this.#polled.values()) {
      for (const [offset, message] of polled)
        if (message.group === group && message.clientId === clientId) polled.delete(offset)
    }
  }

  /** Another life begins, without consumers. What was received stays invisible for its time, and may still be settled. */
  begin(): void {
    this.#polled.clear()
  }

  #before(
    group: string,
    queue: MessageQueue,
    offset: number,
    clientId: string | undefined,
  ): (readonly [number, HandedOutMessage])[] {
    const polled = this.#polled.get(keyOf(group, queue, clientId)) ?? []
    return [...polled].filter(([polledOffset]) => polledOffset < offset)
  }

  #deliver(
    who: Pick<HandedOutMessage, 'group' | 'clientId' | 'deliveryAttempt'>,
    message: MessageView,
  ): HandedOutMessage {
    const { topic, messageId, queue, queueOffset } = message
    this.#ledger.noteContent(messageId, () => deliveredContent(message))
    this.#ledger.record({ type: 'delivered', topic, messageId, ...who, queue, queueOffset })
    return { topic, messageId, ...who, timestamp: this.#now() }
  }

  #settle(type: 'acknowledged', { timestamp: _, ...who }: HandedOutMessage): void {
    this.#ledger.record({ type, ...who })
  }
}

/** What the sender gave: without what retries add, and with a copy of the body, whose memory is used again. */
export function deliveredContent({ tag, keys, properties, messageGroup, body }: MessageView): SentContent {
  const own = Object.entries(properties).filter(([name]) => !isReservedProperty(name))
  return { tag, keys, properties: Object.fromEntries(own), messageGroup, body: Buffer.from(body) }
}

function keyOf(group: string, queue: MessageQueue, clientId: string | undefined): string {
  return `${clientId === undefined ? group : offsetOwnerOf(group, clientId)} ${queueKey(queue)}`
}
