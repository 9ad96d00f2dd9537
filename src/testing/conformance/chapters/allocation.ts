/** What the members of a group get by each strategy: RocketMQ's own vectors, with real members and messages. */
import { strict as assert } from 'node:assert'
import type { AllocateStrategy } from '../../../allocate/allocate.ts'
import { allocateAveragely } from '../../../allocate/averagely.ts'
import { allocateAveragelyByCircle } from '../../../allocate/averagely-by-circle.ts'
import { allocateByConfig } from '../../../allocate/by-config.ts'
import { allocateByMachineRoom } from '../../../allocate/by-machine-room.ts'
import { allocateConsistentHash } from '../../../allocate/consistent-hash.ts'
import { allocateMachineRoomNearby } from '../../../allocate/machine-room-nearby.ts'
import type { WarningEvent } from '../../../model/events.ts'
import type { MessageQueue } from '../../../model/message-queue.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, numbers, queueOf, type Subscriber, send } from '../kit.ts'
import { allocated, join, renaming } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

/** Queues, members, and the queues of each member. */
type Vector = readonly [queues: number, members: number, allocation: string]

const AVERAGELY: readonly Vector[] = [
  [8, 1, '0,1,2,3,4,5,6,7'],
  [8, 2, '0,1,2,3 | 4,5,6,7'],
  [8, 3, '0,1,2 | 3,4,5 | 6,7'],
  [10, 4, '0,1,2 | 3,4,5 | 6,7 | 8,9'],
  [5, 3, '0,1 | 2,3 | 4'],
  [7, 3, '0,1,2 | 3,4 | 5,6'],
  [16, 5, '0,1,2,3 | 4,5,6 | 7,8,9 | 10,11,12 | 13,14,15'],
  [4, 4, '0 | 1 | 2 | 3'],
  [2, 4, '0 | 1 |  | '],
  [1, 3, '0 |  | '],
]

const BY_CIRCLE: readonly Vector[] = [
  [8, 1, '0,1,2,3,4,5,6,7'],
  [8, 2, '0,2,4,6 | 1,3,5,7'],
  [8, 3, '0,3,6 | 1,4,7 | 2,5'],
  [10, 4, '0,4,8 | 1,5,9 | 2,6 | 3,7'],
  [5, 3, '0,3 | 1,4 | 2'],
  [7, 3, '0,3,6 | 1,4 | 2,5'],
  [16, 5, '0,5,10,15 | 1,6,11 | 2,7,12 | 3,8,13 | 4,9,14'],
  [2, 4, '0 | 1 |  | '],
]

/** All queues in one room. */
const BY_MACHINE_ROOM: readonly Vector[] = [
  [8, 1, '0,1,2,3,4,5,6,7'],
  [8, 2, '0,1,2,3 | 4,5,6,7'],
  [8, 3, '0,1,6 | 2,3,7 | 4,5'],
  [10, 4, '0,1,8 | 2,3,9 | 4,5 | 6,7'],
  [5, 3, '0,3 | 1,4 | 2'],
  [5, 2, '0,1,4 | 2,3'],
  [16, 5, '0,1,2,15 | 3,4,5 | 6,7,8 | 9,10,11 | 12,13,14'],
  [2, 4, '0 | 1 |  | '],
]

/** Queues 0 to 3 in `room1`, 4 to 7 in `room2`, 8 and 9 in none, and three members. */
const ROOMS: readonly (readonly [rooms: readonly string[], allocation: string])[] = [
  [['room1'], '0,3 | 1 | 2'],
  [['room1', 'room2'], '0,1,6 | 2,3,7 | 4,5'],
  [['roomX'], ' |  | '],
]

/** Queues 0 to 3 in room `A`, 4 to 6 in `B`, 7 and 8 in `C`. */
const NEARBY: readonly (readonly [members: string, allocation: string, inner?: AllocateStrategy])[] = [
  ['A-0 A-1 B-0', '0,1,7 | 2,3,8 | 4,5,6'],
  ['A-0 A-1', '0,1,4,5,7 | 2,3,6,8'],
  ['A-0 B-0 C-0', '0,1,2,3 | 4,5,6 | 7,8'],
  ['D-0 D-1', '0,1,4,5,7 | 2,3,6,8'],
  ['A-0 A-1 A-2 A-3 A-4 B-0', '0,7 | 1,8 | 2 | 3 |  | 4,5,6'],
  ['A-0 B-0', '0,1,2,3,7 | 4,5,6,8'],
  ['A-0 A-1 B-0', '0,2,7 | 1,3,8 | 4,5,6', allocateAveragelyByCircle],
]

const HASHED: readonly (readonly [
  virtualNodeCount: number,
  queues: number,
  members: string,
  allocation: string,
])[] = [
  [10, 8, 'C0', '0,1,2,3,4,5,6,7'],
  [10, 8, 'C0 C1', '0,1,2,6,7 | 3,4,5'],
  [10, 8, 'C0 C1 C2', '0,1,6,7 | 3,4 | 2,5'],
  [10, 8, 'C0 C1 C2 C3', '0,1,7 | 3,4 | 2,5 | 6'],
  [10, 4, 'C0 C1 C2 C3', '0,1 | 3 | 2 | '],
  [10, 16, 'C0 C1 C2', '0,1,6,7,8,9,12,15 | 3,4,10 | 2,5,11,13,14'],
  [10, 8, '192.168.0.1@1#1 192.168.0.2@1#1', '3,4,5 | 0,1,2,6,7'],
  [1, 8, 'C0 C1 C2', '1,2,7 | 0,3,4,5,6 | '],
  [3, 8, 'C0 C1 C2', '6 | 0,1,3,4,5,7 | 2'],
  [0, 8, 'C0 C1', ' | '],
]

/** Each member is given one message of each of its queues, and nobody those of a queue without owner. */
async function checkDeliveries(
  mq: EngineMQ,
  members: readonly Subscriber[],
  allocation: string,
): Promise<void> {
  const owned = allocation.split(' | ').map((ids) => ids.split(',').filter((id) => id !== ''))
  for (const { queue } of await mq.admin.topicStatus('orders'))
    await send(mq, String(queue.queueId), { queueId: queue.queueId })
  const count = owned.flat().length
  await mq.until(
    `${count} are delivered`,
    () => members.reduce((sum, { deliveries }) => sum + deliveries.length, 0) >= count,
  )
  await mq.rest()
  const sorted = members.map(({ texts }) => texts().sort((a, b) => Number(a) - Number(b)))
  assert.deepEqual(sorted, owned)
}

function vectorRule(
  section: string,
  title: string,
  queues: number,
  ids: readonly string[],
  allocation: string,
  allocateStrategy: AllocateStrategy,
): ConformanceRule {
  return rule(section, `${title}: ${allocation}`, async (world) => {
    const mq = await world.openShop(queues)
    const members = await join(mq, ids, { allocateStrategy })
    await allocated(mq, members, allocation)
    await checkDeliveries(mq, members, allocation)
  })
}

function countRule(section: string, allocateStrategy: AllocateStrategy) {
  return ([queues, count, allocation]: Vector): ConformanceRule => {
    const ids = numbers(count).map((number) => `C${number}`)
    const title = `${allocateStrategy.name}, ${queues} queues and ${count} members`
    return vectorRule(section, title, queues, ids, allocation, allocateStrategy)
  }
}

const oneRoom = renaming(allocateByMachineRoom(['room1']), () => 'room1@b')

function roomRule([rooms, allocation]: (typeof ROOMS)[number]): ConformanceRule {
  const strategy = renaming(
    allocateByMachineRoom(rooms),
    (index) => ['room1@b', 'room2@b', 'plain'][Math.floor(index / 4)]!,
  )
  const title = `MACHINE_ROOM, only the queues of ${rooms.join(' and ')}`
  return vectorRule('7.3', title, 10, ['C0', 'C1', 'C2'], allocation, strategy)
}

function nearbyRule([
  members,
  allocation,
  inner = allocateAveragely,
]: (typeof NEARBY)[number]): ConformanceRule {
  const nearby = allocateMachineRoomNearby(inner, {
    brokerDeployIn: ({ brokerName }) => brokerName.charAt(0),
    consumerDeployIn: (clientId) => clientId.charAt(0),
  })
  const strategy = renaming(nearby, (index) => `${'AAAABBBCC'.charAt(index)}-b`)
  return vectorRule('7.4', `${nearby.name}, members ${members}`, 9, members.split(' '), allocation, strategy)
}

function hashRule([virtualNodeCount, queues, members, allocation]: (typeof HASHED)[number]): ConformanceRule {
  const hashed = allocateConsistentHash({ virtualNodeCount })
  const title = `CONSISTENT_HASH, ${virtualNodeCount} virtual nodes, ${queues} queues, members ${members}`
  const strategy = renaming(hashed, () => 'broker-a', 'TopicTest')
  return vectorRule('7.6', title, queues, members.split(' '), allocation, strategy)
}

/** Queues of `orders`. */
async function queuesOf(mq: EngineMQ, ids: readonly number[]) {
  return Promise.all(ids.map((queueId) => queueOf(mq, queueId)))
}

export const allocation: ConformanceChapter = {
  title: 'What members get',
  rules: [
    ...AVERAGELY.map(countRule('7.1', allocateAveragely)),
    ...BY_CIRCLE.map(countRule('7.2', allocateAveragelyByCircle)),
    ...BY_MACHINE_ROOM.map(countRule('7.3', oneRoom)),
    ...ROOMS.map(roomRule),
    ...NEARBY.map(nearbyRule),
    ...HASHED.map(hashRule),
    rule('7.5', 'CONFIG, each member gets what it is given', async (world) => {
      const mq = await world.openShop(8)
      const [first] = await join(mq, ['A'], {
        allocateStrategy: allocateByConfig(await queuesOf(mq, [0, 2, 7])),
      })
      const [second] = await join(mq, ['B'], {
        allocateStrategy: allocateByConfig(await queuesOf(mq, [1, 3, 4])),
      })
      await allocated(mq, [first!, second!], '0,2,7 | 1,3,4')
      await checkDeliveries(mq, [first!, second!], '0,2,7 | 1,3,4')
    }),
    rule('7.5', 'CONFIG, nothing for who is given nothing', async (world) => {
      const mq = await world.openShop(2)
      const members = await join(mq, ['A', 'B'], { allocateStrategy: allocateByConfig([]) })
      await mq.rest()
      await allocated(mq, members, ' | ')
      await checkDeliveries(mq, members, ' | ')
    }),
    rule(
      '7.5',
      'CONFIG, a queue that two members are given has one of them at a time',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(8)
        const allocateStrategy = allocateByConfig(await queuesOf(mq, [0, 1, 2]))
        const [first, second] = await join(mq, ['A', 'B'], { allocateStrategy })
        await allocated(mq, [first!, second!], '0,1,2 | ')
        await first!.consumer.close()
        await allocated(mq, [second!], '0,1,2')
        await checkDeliveries(mq, [second!], '0,1,2')
      },
    ),
    rule('7.5', 'CONFIG, a member that is given its queues has them alone', async (world) => {
      const mq = await world.openShop(4)
      const allocateStrategy = allocateByConfig(await queuesOf(mq, [0, 1, 2, 3]))
      const members = await join(mq, ['A'], { allocateStrategy })
      await allocated(mq, members, '0,1,2,3')
      await checkDeliveries(mq, members, '0,1,2,3')
    }),
    rule(
      '7',
      'Queues that a strategy gives to nobody are told, once for each assignment',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(3)
        const warnings = eventsOf(mq, 'warning')
        const allocateStrategy = only((queue) => queue.topic === 'orders' && queue.queueId === 1)
        const [first] = await join(mq, ['A'], { allocateStrategy })
        await allocated(mq, [first!], '1')
        assert.deepEqual(told(warnings).sort(), ['billing %RETRY%billing 0', 'billing orders 0, 2'])
        assert.match(warnings[0]!.message, /The strategy 'ONLY'/)
        // The same members and queues again.
        await first!.consumer.subscribe('returns', '*')
        await mq.rest()
        assert.equal(warnings.length, 2)
        await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
        await mq.until('it is told again', () => warnings.length === 3)
        assert.equal(told(warnings).at(-1), 'billing orders 0')
      },
    ),
    rule(
      '7',
      'Of queues that another member has, or none of those that leave queues out gives, nothing is told',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(4)
        const warnings = eventsOf(mq, 'warning')
        const strategies = [
          allocateAveragely,
          allocateAveragelyByCircle,
          allocateConsistentHash(),
          allocateByConfig(await queuesOf(mq, [0, 1])),
        ]
        for (const allocateStrategy of strategies) {
          const members = await join(mq, ['A', 'B', 'C'], { allocateStrategy })
          await mq.rest()
          for (const { consumer } of members) await consumer.close()
        }
        assert.deepEqual(warnings, [])
      },
    ),
    rule('7', 'A strategy that throws is named, with group and topic', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const errors = eventsOf(mq, 'error')
      const allocateStrategy = only(() => {
        throw new RangeError('no rooms')
      })
      await join(mq, ['A'], { allocateStrategy, subscriptions: { orders: '*' } })
      await mq.until('it is told', () => errors.length > 0)
      assert.match(
        errors[0]!.message,
        /^The strategy 'ONLY' failed for the group 'billing' and the topic '(orders|%RETRY%billing)': no rooms/,
      )
    }),
  ],
}

/** Gives each member the queues that pass. */
function only(passes: (queue: MessageQueue) => boolean): AllocateStrategy {
  return { name: 'ONLY', allocate: (_group, _id, queues) => queues.filter(passes) }
}

/** Group, topic and queues of warnings about queues that are left. */
function told(warnings: readonly WarningEvent[]): string[] {
  return warnings.map(
    ({ code, group, topic, message }) =>
      `${group} ${topic} ${/: ([\d, ]+)\. /.exec(message)?.[1]}${code === 'QUEUES_NOT_ALLOCATED' ? '' : code}`,
  )
}
