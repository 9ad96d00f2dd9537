/** Queues go to members in their own machine room first. */
import { invalidParameter } from '../model/errors.ts'
import { ignoreRejection } from '../model/foreign-answers.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { type AllocateStrategy, checkAllocateArguments } from './allocate.ts'

/** Tells where brokers and members are (RocketMQ `MachineRoomResolver`). */
export interface MachineRoomResolver {
  /** The machine room of the broker that has the queue. */
  brokerDeployIn(queue: MessageQueue): string
  /** The machine room of a member. */
  consumerDeployIn(clientId: string): string
}

/**
 * RocketMQ's `AllocateMachineRoomNearby`: the members of a machine room share its queues among themselves, as another strategy says.
 * Queues of a room without members are shared by all.
 *
 * Throws `INVALID_PARAMETER` without a strategy or a resolver, and when the resolver knows no room for a queue or a member.
 *
 * @example
 * ```ts
 * import { allocateAveragely, allocateMachineRoomNearby } from 'pocketmq'
 * const strategy = allocateMachineRoomNearby(allocateAveragely, {
 *   brokerDeployIn: ({ brokerName }) => brokerName.split('-')[0] ?? '',
 *   consumerDeployIn: (clientId) => clientId.split('-')[0] ?? '',
 * })
 * console.log(strategy.name)
 * ```
 */
export function allocateMachineRoomNearby(
  inner: AllocateStrategy,
  resolver: MachineRoomResolver,
): AllocateStrategy {
  if (typeof inner?.allocate !== 'function' || typeof inner.name !== 'string')
    throw invalidParameter('allocateMachineRoomNearby: give the strategy within a machine room.')
  if (typeof resolver?.brokerDeployIn !== 'function' || typeof resolver.consumerDeployIn !== 'function')
    throw invalidParameter(
      'allocateMachineRoomNearby: give a resolver with brokerDeployIn and consumerDeployIn.',
    )
  return Object.freeze({
    name: `MACHINE_ROOM_NEARBY-${inner.name}`,
    allocate(group, currentId, queues, ids) {
      if (!checkAllocateArguments(currentId, queues, ids)) return []
      const queuesByRoom = byRoom(queues, (queue) => brokerRoom(resolver, queue))
      const idsByRoom = byRoom(ids, (id) => consumerRoom(resolver, id))
      const own = consumerRoom(resolver, currentId)
      const share = (room: string, members: readonly string[]): readonly MessageQueue[] => {
        const offered = queuesByRoom.get(room) ?? []
        if (offered.length === 0) return []
        const given: unknown = inner.allocate(group, currentId, offered, members)
        ignoreRejection(given)
        if (Array.isArray(given)) return given
        throw invalidParameter(`The strategy '${inner.name}' gave no list of queues of the room '${room}'.`)
      }
      const deserted = [...queuesByRoom.keys()].filter((room) => !idsByRoom.has(room)).sort()
      return [...share(own, idsByRoom.get(own) ?? []), ...deserted.flatMap((room) => share(room, ids))]
    },
  } satisfies AllocateStrategy)
}

function byRoom<Item>(items: readonly Item[], roomOf: (item: Item) => string): Map<string, Item[]> {
  const rooms = new Map<string, Item[]>()
  for (const item of items) {
    const room = roomOf(item)
    const known = rooms.get(room)
    if (known === undefined) rooms.set(room, [item])
    else known.push(item)
  }
  return rooms
}

function brokerRoom(resolver: MachineRoomResolver, queue: MessageQueue): string {
  const room: unknown = resolver.brokerDeployIn(queue)
  if (typeof room === 'string' && room !== '') return room
  ignoreRejection(room)
  throw invalidParameter(`The resolver knows no machine room for the broker '${queue.brokerName}'.`)
}

function consumerRoom(resolver: MachineRoomResolver, clientId: string): string {
  const room: unknown = resolver.consumerDeployIn(clientId)
  if (typeof room === 'string' && room !== '') return room
  ignoreRejection(room)
  throw invalidParameter(`The resolver knows no machine room for the member '${clientId}'.`)
}
