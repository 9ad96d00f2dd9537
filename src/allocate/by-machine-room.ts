/** Only the queues of some machine rooms. */
import { invalidParameter } from '../model/errors.ts'
import { listOf } from '../model/foreign-answers.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { type AllocateStrategy, checkAllocateArguments } from './allocate.ts'

/**
 * RocketMQ's `AllocateMessageQueueByMachineRoom`: of all queues only those take part whose broker is named `room@broker` with a room
 * that is given here. They are shared in blocks of equal size; what is left over at the end goes to the first members,
 * one each. Queues of other rooms have no consumer.
 *
 * Throws `INVALID_PARAMETER` when it is not given the names of rooms.
 *
 * @example
 * ```ts
 * import { allocateByMachineRoom } from 'pocketmq'
 * const strategy = allocateByMachineRoom(['room1', 'room2'])
 * console.log(strategy.name)
 * ```
 */
export function allocateByMachineRoom(rooms: Iterable<string>): AllocateStrategy {
  const known = new Set(checkRooms(rooms))
  return Object.freeze({
    name: 'MACHINE_ROOM',
    allocate(_group, currentId, queues, ids) {
      if (!checkAllocateArguments(currentId, queues, ids)) return []
      return shareOf(
        queues.filter((queue) => known.has(roomOf(queue))),
        ids.indexOf(currentId),
        ids.length,
      )
    },
  } satisfies AllocateStrategy)
}

/** Unlike the averaging strategy, the remainder comes from the end. */
function shareOf(queues: readonly MessageQueue[], index: number, memberCount: number): MessageQueue[] {
  const size = Math.floor(queues.length / memberCount)
  const rest = queues[size * memberCount + index]
  const block = queues.slice(size * index, size * (index + 1))
  return rest === undefined ? block : [...block, rest]
}

function roomOf({ brokerName }: MessageQueue): string {
  const [room = '', broker, ...more] = brokerName.split('@')
  return broker === undefined || more.length > 0 ? '' : room
}

function checkRooms(rooms: unknown): readonly string[] {
  const names = listOf(rooms) ?? []
  if (names.length > 0 && names.every(isRoomName)) return names
  throw invalidParameter("allocateByMachineRoom: give the names of machine rooms, such as ['room1'].")
}

function isRoomName(name: unknown): name is string {
  return typeof name === 'string' && name !== ''
}
