/** Members stand on a ring; a queue belongs to the next one. */
import { createHash } from 'node:crypto'
import { invalidParameter } from '../model/errors.ts'
import { ignoreRejection } from '../model/foreign-answers.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { type AllocateStrategy, checkAllocateArguments } from './allocate.ts'

/** How a ring is made. */
export interface ConsistentHashOptions {
  /** Places of each member on the ring; more spread the queues more evenly. Default 10. With 0 nobody gets anything. */
  readonly virtualNodeCount?: number | undefined
  /** A place on the ring, the same for all members. Default: the first 4 bytes of the MD5 sum. */
  readonly hash?: ((key: string) => number) | undefined
}

interface VirtualNode {
  readonly hash: number
  readonly clientId: string
}

const DEFAULT_VIRTUAL_NODES = 10

/**
 * RocketMQ's `AllocateMessageQueueConsistentHash`: when a member comes or goes, few queues change hands; in return they are
 * spread less evenly, and a member may get none.
 *
 * Throws `INVALID_PARAMETER` for a count below 0 or a hash that is no function.
 *
 * @example
 * ```ts
 * import { allocateConsistentHash } from 'pocketmq'
 * const strategy = allocateConsistentHash({ virtualNodeCount: 50 })
 * console.log(strategy.name)
 * ```
 */
export function allocateConsistentHash(options: ConsistentHashOptions = {}): AllocateStrategy {
  if (typeof options !== 'object' || options === null)
    throw invalidParameter('allocateConsistentHash: give the options as { virtualNodeCount, hash }.')
  const { virtualNodeCount = DEFAULT_VIRTUAL_NODES, hash = md5Hash } = options
  if (!Number.isSafeInteger(virtualNodeCount) || virtualNodeCount < 0)
    throw invalidParameter(
      `allocateConsistentHash: virtualNodeCount must be a whole number from 0, not ${String(virtualNodeCount)}.`,
    )
  if (typeof hash !== 'function') throw invalidParameter('allocateConsistentHash: hash must be a function.')
  return Object.freeze({
    name: 'CONSISTENT_HASH',
    allocate(_group, currentId, queues, ids) {
      if (!checkAllocateArguments(currentId, queues, ids)) return []
      const ring = ringOf(ids, virtualNodeCount, hash)
      return queues.filter((queue) => ownerOf(ring, placeOf(hash, ringKeyOf(queue))) === currentId)
    },
  } satisfies AllocateStrategy)
}

/** Sorted by hash; of two nodes at one place the later one counts. */
function ringOf(ids: readonly string[], count: number, hash: (key: string) => number): VirtualNode[] {
  const nodes = new Map<number, VirtualNode>()
  const replicas = new Map<string, number>()
  for (const clientId of ids) {
    const first = replicas.get(clientId) ?? 0
    for (let replica = first; replica < first + count; replica++) {
      const place = placeOf(hash, `${clientId}-${replica}`)
      nodes.set(place, { hash: place, clientId })
    }
    replicas.set(clientId, first + count)
  }
  return [...nodes.values()].sort((a, b) => a.hash - b.hash)
}

/** The first node at the place or behind it; behind the last one the ring begins again. */
function placeOf(hash: (key: string) => number, key: string): number {
  const place: unknown = hash(key)
  if (typeof place === 'number') return place
  ignoreRejection(place)
  throw invalidParameter(`The hash gave no number for '${key}'.`)
}

function ownerOf(ring: readonly VirtualNode[], place: number): string | undefined {
  let low = 0
  let high = ring.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ring[middle]!.hash < place) low = middle + 1
    else high = middle
  }
  return (ring[low] ?? ring[0])?.clientId
}

/** As RocketMQ's `MessageQueue#toString` writes it. */
function ringKeyOf({ topic, brokerName, queueId }: MessageQueue): string {
  return `MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`
}

function md5Hash(key: string): number {
  return createHash('md5').update(key).digest().readUInt32BE(0)
}
