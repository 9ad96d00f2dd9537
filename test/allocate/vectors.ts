/** The cases of the reference for allocation, as tables for people: what each member gets. */
import type { AllocateStrategy } from '../../src/allocate/allocate.ts'
import { allocateAveragely } from '../../src/allocate/averagely.ts'
import { allocateAveragelyByCircle } from '../../src/allocate/averagely-by-circle.ts'
import { allocateByConfig } from '../../src/allocate/by-config.ts'
import { allocateByMachineRoom } from '../../src/allocate/by-machine-room.ts'
import { allocateConsistentHash } from '../../src/allocate/consistent-hash.ts'
import { allocateMachineRoomNearby } from '../../src/allocate/machine-room-nearby.ts'
import type { MessageQueue } from '../../src/model/message-queue.ts'

export interface Table {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Numbers of queues and of members. */
const COUNTS: readonly (readonly [queues: number, members: number])[] = [
  [8, 1],
  [8, 2],
  [8, 3],
  [10, 4],
  [5, 2],
  [5, 3],
  [7, 3],
  [16, 5],
  [4, 4],
  [2, 4],
  [1, 3],
]

const ROOMS = [...queuesOf(4, 'room1@b'), ...queuesOf(4, 'room2@b'), ...queuesOf(2, 'plain')]
const NEARBY = [...queuesOf(4, 'A-b'), ...queuesOf(3, 'B-b'), ...queuesOf(2, 'C-b')]

const resolver = {
  brokerDeployIn: ({ brokerName }: MessageQueue): string => brokerName.split('-')[0] ?? '',
  consumerDeployIn: (clientId: string): string => clientId.split('-')[0] ?? '',
}

function queuesOf(count: number, brokerName = 'broker-a'): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: 'TopicTest', brokerName, queueId }))
}

function membersOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `C${index}`)
}

function shares(
  strategy: AllocateStrategy,
  queues: readonly MessageQueue[],
  ids: readonly string[],
): (readonly MessageQueue[])[] {
  return ids.map((id) => strategy.allocate('billing', id, queues, ids))
}

/** Queue numbers of each member, neighbours as a range: `0-2 / 3, 5 / none`. */
function byNumber(
  strategy: AllocateStrategy,
  queueCount: number,
  ids: readonly string[],
  broker?: string,
): string {
  const given = shares(strategy, queuesOf(queueCount, broker), ids)
  return given.map((queues) => ranges(queues.map(({ queueId }) => queueId))).join(' / ')
}

function ranges(numbers: readonly number[]): string {
  const found: [first: number, last: number][] = []
  for (const number of numbers) {
    const current = found[found.length - 1]
    if (current !== undefined && current[1] === number - 1) current[1] = number
    else found.push([number, number])
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ') || 'none'
}

/** Queues of each member by name: `A0, A1 / none`. */
function byName(strategy: AllocateStrategy, queues: readonly MessageQueue[], ids: readonly string[]): string {
  const given = shares(strategy, queues, ids)
  return given.map((own) => own.map(nameOf).join(', ') || 'none').join(' / ')
}

function nameOf({ brokerName, queueId }: MessageQueue): string {
  const room = brokerName.split(/[@-]/)[0]
  return room === 'plain'
    ? `plain:${queueId}`
    : brokerName.includes('@')
      ? `${room}:${queueId}`
      : `${room}${queueId}`
}

export const averaging: Table = {
  head: ['queues', 'members', '`AVG`', '`AVG_BY_CIRCLE`', '`MACHINE_ROOM`, one room', '`CONSISTENT_HASH`'],
  rows: COUNTS.map(([queues, members]) => [
    `${queues}`,
    `${members}`,
    byNumber(allocateAveragely, queues, membersOf(members)),
    byNumber(allocateAveragelyByCircle, queues, membersOf(members)),
    byNumber(allocateByMachineRoom(['room1']), queues, membersOf(members), 'room1@b'),
    byNumber(allocateConsistentHash(), queues, membersOf(members)),
  ]),
}

export const machineRooms: Table = {
  head: ['rooms', 'C0 / C1 / C2'],
  rows: [['room1'], ['room1', 'room2'], ['roomX']].map((rooms) => [
    rooms.map((room) => `\`${room}\``).join(', '),
    byName(allocateByMachineRoom(rooms), ROOMS, membersOf(3)),
  ]),
}

export const nearby: Table = {
  head: ['members', 'within a room', 'what each gets'],
  rows: [
    ...['A-0 A-1 B-0', 'A-0 A-1', 'A-0 B-0 C-0', 'D-0 D-1', 'A-0 A-1 A-2 A-3 A-4 B-0', 'A-0 B-0'].map(
      (ids) => [
        ids,
        '`AVG`',
        byName(allocateMachineRoomNearby(allocateAveragely, resolver), NEARBY, ids.split(' ')),
      ],
    ),
    [
      'A-0 A-1 B-0',
      '`AVG_BY_CIRCLE`',
      byName(allocateMachineRoomNearby(allocateAveragelyByCircle, resolver), NEARBY, ['A-0', 'A-1', 'B-0']),
    ],
  ],
}

export const config: Table = {
  head: ['configured', 'queues of the topic', 'C0 / C1'],
  rows: (
    [
      [[0, 1, 2], 8],
      [[0, 1, 2, 3], 4],
      [[], 8],
    ] as const
  ).map(([ids, count]) => [
    ids.join(', ') || 'none',
    `${count}`,
    byNumber(
      allocateByConfig(ids.map((queueId) => ({ topic: 'TopicTest', brokerName: 'broker-a', queueId }))),
      count,
      membersOf(2),
    ),
  ]),
}

export const consistentHash: Table = {
  head: ['places', 'queues', 'members', 'what each gets'],
  rows: (
    [
      [10, 8, 'C0'],
      [10, 8, 'C0 C1'],
      [10, 8, 'C0 C1 C2'],
      [10, 8, 'C0 C1 C2 C3'],
      [10, 4, 'C0 C1 C2 C3'],
      [10, 16, 'C0 C1 C2'],
      [10, 8, '192.168.0.1@1#1 192.168.0.2@1#1'],
      [1, 8, 'C0 C1 C2'],
      [3, 8, 'C0 C1 C2'],
      [0, 8, 'C0 C1'],
    ] as const
  ).map(([virtualNodeCount, count, ids]) => [
    `${virtualNodeCount}`,
    `${count}`,
    ids,
    byNumber(allocateConsistentHash({ virtualNodeCount }), count, ids.split(' ')),
  ]),
}

export function toMarkdown({ head, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}
