/**
 * 6. Send order: sends of one producer to one queue are stored in the order of the calls, awaited or not, and equal
 * sharding keys go to one queue as long as the topic has as many queues. Delayed messages are stored when their time comes, in an
 * order that the checker of delays looks at; sends with an id of their own keep their order among themselves.
 */
import { nameOf, type SimEvent, type SimEventOf } from '../events.ts'
import type { Checker, CheckerHost } from './checker.ts'

interface StoredSend {
  readonly id: number
  readonly offset: number
}

export class SendOrder implements Checker {
  readonly #host: CheckerHost
  /** By producer and queue, in the order of the calls. */
  #stored = new Map<string, StoredSend[]>()
  /** Where a sharding key led, by topic and the count of its changes. */
  readonly #shards = new Map<string, number>()
  readonly #changes = new Map<string, number>()
  readonly #changesAtCall = new Map<number, number>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    switch (event.type) {
      case 'sending':
        this.#changesAtCall.set(event.send.id, this.#changesOf(event.send.topic))
        return
      case 'stored':
        this.#checkOrder(event)
        this.#checkShard(event)
        return
      case 'opened':
        this.#stored = new Map()
        this.#shards.clear()
        return
      case 'topic-changing':
      case 'topic-changed':
        this.#changes.set(event.topic, this.#changesOf(event.topic) + 1)
    }
  }

  #checkOrder({ send, receipt }: SimEventOf<'stored'>): void {
    // What waits has no place yet, and a repetition has that of the first.
    if (receipt.wait !== undefined || receipt.isDuplicate === true) return
    // Sends with an id look for the first one before they are stored: they keep their order among themselves.
    const kind = send.messageId === undefined ? '' : 'once '
    const key = `${kind}${send.producer}@${receipt.label}`
    const before = this.#stored.get(key) ?? []
    this.#stored.set(key, before)
    const index = before.findLastIndex(({ id }) => id < send.id) + 1
    const [previous, next] = [before[index - 1], before[index]]
    const { offset } = receipt
    if (
      (previous !== undefined && previous.offset >= offset) ||
      (next !== undefined && next.offset <= offset)
    ) {
      const other = previous !== undefined && previous.offset >= offset ? previous : next
      this.#host.violate(
        6,
        `${send.producer} sent ${send.id} and ${other?.id} to ${nameOf(receipt.queue)}, which lie at ${offset} and ${other?.offset}`,
      )
    }
    before.splice(index, 0, { id: send.id, offset })
  }

  #checkShard({ send, receipt }: SimEventOf<'stored'>): void {
    const { topic, shardingKey } = send
    const changes = this.#changesOf(topic)
    if (shardingKey === undefined || this.#changesAtCall.get(send.id) !== changes) return
    // Topics that operators delete are made anew by sends, with as many queues as that gives.
    if (this.#host.profile.troubles.topics > 0) return
    const key = `${topic}@${changes}@${shardingKey}`
    const known = this.#shards.get(key)
    const { queueId } = receipt.queue
    if (receipt.isDuplicate === true) return
    this.#shards.set(key, queueId)
    if (known !== undefined && known !== queueId)
      this.#host.violate(
        6,
        `the sharding key ${shardingKey} led to queues ${known} and ${queueId} of ${topic}`,
      )
  }

  #changesOf(topic: string): number {
    return this.#changes.get(topic) ?? 0
  }
}
