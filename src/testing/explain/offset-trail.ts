/**
 * Where groups began to consume their queues, and where they were reset to. The store keeps only where they stand now, and
 * that does not tell a message that was consumed from one that was passed over.
 */
import type { MessageQueue } from '../../model/message-queue.ts'
import type { TestLayer } from '../layer.ts'

/** An offset that a group was set to. */
export interface OffsetMove {
  readonly type: 'start' | 'reset'
  readonly timestamp: number
  readonly offset: number
}

export class OffsetTrail {
  readonly #now: () => number
  readonly #moves = new Map<string, OffsetMove[]>()
  /** Queues of which a group was found to have no offset: where it pulls next is where it begins. */
  readonly #starting = new Set<string>()
  /** Groups with consumers that pull: what single pulls bring nobody sees. */
  readonly #pulling = new Set<string>()

  constructor(now: () => number) {
    this.#now = now
  }

  layer(): TestLayer {
    return {
      engine: (next) => ({
        ensureGroup: (group) => {
          this.#pulling.add(group)
          return next.ensureGroup(group)
        },
        registerConsumer: (registration) => {
          if (registration.consumeType === 'pull') this.#pulling.add(registration.group)
          return next.registerConsumer(registration)
        },
        queryConsumerOffset: async (group, queue, clientId) => {
          const offset = await next.queryConsumerOffset(group, queue, clientId)
          if (offset === undefined && clientId === undefined) this.#starting.add(keyOf(group, queue))
          return offset
        },
        pullMessage: (request) => {
          const { group, queue, offset } = request
          if (this.#starting.delete(keyOf(group, queue))) this.#add(keyOf(group, queue), 'start', offset)
          return next.pullMessage(request)
        },
        resetConsumerOffset: async (group, topic, offsets) => {
          await next.resetConsumerOffset(group, topic, offsets)
          for (const [queueId, offset] of offsets)
            this.#add(keyOf(group, { topic, queueId }), 'reset', offset)
        },
      }),
    }
  }

  /** Whether the group had a consumer that pulls. */
  isPulling(group: string): boolean {
    return this.#pulling.has(group)
  }

  /** The last move by which the group left this offset behind. */
  moveOver(group: string, queue: MessageQueue, offset: number): OffsetMove | undefined {
    return this.#moves.get(keyOf(group, queue))?.findLast((move) => move.offset > offset)
  }

  #add(key: string, type: OffsetMove['type'], offset: number): void {
    const moves = this.#moves.get(key) ?? []
    moves.push({ type, offset, timestamp: this.#now() })
    this.#moves.set(key, moves)
  }
}

function keyOf(group: string, { topic, queueId }: Pick<MessageQueue, 'topic' | 'queueId'>): string {
  return `${group}@${topic}@${queueId}`
}
