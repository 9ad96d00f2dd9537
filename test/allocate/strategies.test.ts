/** The vectors of the reference, produced by RocketMQ's own classes, and what must hold of every strategy. */
import { describe, expect, test } from 'vitest'
import type { AllocateStrategy } from '../../src/allocate/allocate.ts'
import { allocateAveragely } from '../../src/allocate/averagely.ts'
import { allocateAveragelyByCircle } from '../../src/allocate/averagely-by-circle.ts'
import { allocateByConfig } from '../../src/allocate/by-config.ts'
import { allocateByMachineRoom } from '../../src/allocate/by-machine-room.ts'
import { allocateConsistentHash } from '../../src/allocate/consistent-hash.ts'
import { allocateMachineRoomNearby } from '../../src/allocate/machine-room-nearby.ts'
import type { MessageQueue } from '../../src/model/message-queue.ts'
import { mqError } from '../helpers/expect-error.ts'

const TOPIC = 'TopicTest'

function queuesOf(count: number, brokerName = 'broker-a'): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: TOPIC, brokerName, queueId }))
}

function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `C${index}`)
}

/** What each member gets, as `C0=0,1 C1=none`, with queues named by `nameOf`. */
function vector(
  strategy: AllocateStrategy,
  queues: readonly MessageQueue[],
  ids: readonly string[],
  nameOf = ({ queueId }: MessageQueue): string => String(queueId),
): string {
  return ids
    .map((id) => `${id}=${strategy.allocate('g', id, queues, ids).map(nameOf).join(',') || 'none'}`)
    .join(' ')
}

describe('Dealing out by turns', () => {
  test.each([
    [8, 1, 'C0=0,1,2,3,4,5,6,7'],
    [8, 2, 'C0=0,2,4,6 C1=1,3,5,7'],
    [8, 3, 'C0=0,3,6 C1=1,4,7 C2=2,5'],
    [10, 4, 'C0=0,4,8 C1=1,5,9 C2=2,6 C3=3,7'],
    [5, 3, 'C0=0,3 C1=1,4 C2=2'],
    [7, 3, 'C0=0,3,6 C1=1,4 C2=2,5'],
    [16, 5, 'C0=0,5,10,15 C1=1,6,11 C2=2,7,12 C3=3,8,13 C4=4,9,14'],
    [2, 4, 'C0=0 C1=1 C2=none C3=none'],
  ])('gives %i queues to %i members as RocketMQ does', (queueCount, memberCount, expected) => {
    expect(vector(allocateAveragelyByCircle, queuesOf(queueCount), idsOf(memberCount))).toBe(expected)
  })
})

describe('Sharing the queues of some machine rooms', () => {
  test.each([
    [8, 1, 'C0=0,1,2,3,4,5,6,7'],
    [8, 2, 'C0=0,1,2,3 C1=4,5,6,7'],
    [8, 3, 'C0=0,1,6 C1=2,3,7 C2=4,5'],
    [10, 4, 'C0=0,1,8 C1=2,3,9 C2=4,5 C3=6,7'],
    [5, 3, 'C0=0,3 C1=1,4 C2=2'],
    [5, 2, 'C0=0,1,4 C1=2,3'],
    [16, 5, 'C0=0,1,2,15 C1=3,4,5 C2=6,7,8 C3=9,10,11 C4=12,13,14'],
    [2, 4, 'C0=0 C1=1 C2=none C3=none'],
  ])('gives %i queues to %i members as RocketMQ does', (queueCount, memberCount, expected) => {
    const strategy = allocateByMachineRoom(['room1'])
    expect(vector(strategy, queuesOf(queueCount, 'room1@b'), idsOf(memberCount))).toBe(expected)
  })

  const mixed = [...queuesOf(4, 'room1@b'), ...queuesOf(4, 'room2@b'), ...queuesOf(2, 'plain')]
  const nameOf = ({ brokerName, queueId }: MessageQueue): string => `r${brokerName[4]}:${queueId}`

  test.each([
    [['room1'], 'C0=r1:0,r1:3 C1=r1:1 C2=r1:2'],
    [['room1', 'room2'], 'C0=r1:0,r1:1,r2:2 C1=r1:2,r1:3,r2:3 C2=r2:0,r2:1'],
    [['roomX'], 'C0=none C1=none C2=none'],
  ])('leaves out what is not in %j', (rooms, expected) => {
    expect(vector(allocateByMachineRoom(rooms), mixed, idsOf(3), nameOf)).toBe(expected)
  })

  test.each([[[]], [''], [undefined], [[1]], [['']], [{}], [5]])('refuses the rooms %j', (rooms) => {
    expect(() => allocateByMachineRoom(rooms as string[])).toThrow(mqError('INVALID_PARAMETER') as Error)
  })
})

describe('Preferring the machine room nearby', () => {
  const queues = [...queuesOf(4, 'A-b'), ...queuesOf(3, 'B-b'), ...queuesOf(2, 'C-b')]
  const resolver = {
    brokerDeployIn: ({ brokerName }: MessageQueue) => brokerName.split('-')[0] ?? '',
    consumerDeployIn: (clientId: string) => clientId.split('-')[0] ?? '',
  }
  const nameOf = ({ brokerName, queueId }: MessageQueue): string => `${brokerName[0]}${queueId}`

  test.each([
    ['A-0 A-1 B-0', 'A-0=A0,A1,C0 A-1=A2,A3,C1 B-0=B0,B1,B2'],
    ['A-0 A-1', 'A-0=A0,A1,B0,B1,C0 A-1=A2,A3,B2,C1'],
    ['A-0 B-0 C-0', 'A-0=A0,A1,A2,A3 B-0=B0,B1,B2 C-0=C0,C1'],
    ['D-0 D-1', 'D-0=A0,A1,B0,B1,C0 D-1=A2,A3,B2,C1'],
    ['A-0 A-1 A-2 A-3 A-4 B-0', 'A-0=A0,C0 A-1=A1,C1 A-2=A2 A-3=A3 A-4=none B-0=B0,B1,B2'],
    ['A-0 B-0', 'A-0=A0,A1,A2,A3,C0 B-0=B0,B1,B2,C1'],
  ])('shares among %s as RocketMQ does', (ids, expected) => {
    const strategy = allocateMachineRoomNearby(allocateAveragely, resolver)
    expect(strategy.name).toBe('MACHINE_ROOM_NEARBY-AVG')
    expect(vector(strategy, queues, ids.split(' '), nameOf)).toBe(expected)
  })

  test('asks the inner strategy', () => {
    const strategy = allocateMachineRoomNearby(allocateAveragelyByCircle, resolver)
    expect(vector(strategy, queues, ['A-0', 'A-1', 'B-0'], nameOf)).toBe(
      'A-0=A0,A2,C0 A-1=A1,A3,C1 B-0=B0,B1,B2',
    )
  })

  test('refuses what it cannot work with', () => {
    expect(() => allocateMachineRoomNearby(undefined as never, resolver)).toThrow('strategy')
    expect(() => allocateMachineRoomNearby(allocateAveragely, {} as never)).toThrow('resolver')
    const nameless = { ...allocateAveragely, name: Symbol('none') as never }
    expect(() => allocateMachineRoomNearby(nameless, resolver)).toThrow(mqError('INVALID_PARAMETER') as Error)
    const nowhere = allocateMachineRoomNearby(allocateAveragely, { ...resolver, brokerDeployIn: () => '' })
    expect(() => nowhere.allocate('g', 'A-0', queues, ['A-0'])).toThrow(
      "no machine room for the broker 'A-b'",
    )
    const nobody = allocateMachineRoomNearby(allocateAveragely, { ...resolver, consumerDeployIn: () => '' })
    expect(() => nobody.allocate('g', 'A-0', queues, ['A-0'])).toThrow("no machine room for the member 'A-0'")
  })
})

describe('Queues by configuration', () => {
  test.each([
    [[0, 1, 2], 8],
    [[0, 1, 2, 3], 4],
    [[], 4],
    [[99], 8],
  ])('are %j for everybody', (queueIds, queueCount) => {
    const configured = queueIds.map((queueId) => ({ topic: TOPIC, brokerName: 'broker-a', queueId }))
    const names = queueIds.join(',') || 'none'
    expect(vector(allocateByConfig(configured), queuesOf(queueCount), idsOf(2))).toBe(
      `C0=${names} C1=${names}`,
    )
  })

  test('ask nothing of the member', () => {
    const [first] = queuesOf(1)
    expect(allocateByConfig([first!]).allocate('g', '', queuesOf(2), [])).toEqual([first])
  })

  test('are those of the topic that is asked for', () => {
    const other = { topic: 'other', brokerName: 'broker-a', queueId: 0 }
    expect(allocateByConfig([other, ...queuesOf(1)]).allocate('g', 'C0', queuesOf(4), ['C0'])).toEqual(
      queuesOf(1),
    )
  })

  test('leave the retry topic to all members, unless they name a queue of it', () => {
    const retries = [0, 1].map((queueId) => ({ topic: '%RETRY%g', brokerName: 'broker-a', queueId }))
    const silent = allocateByConfig(queuesOf(1))
    expect(vector(silent, retries, idsOf(3))).toBe('C0=0 C1=1 C2=none')
    expect(vector(allocateByConfig([retries[1]!]), retries, idsOf(2))).toBe('C0=1 C1=1')
  })

  test.each([undefined, [null], [5], [{}]])('must be an array of queues, not %j', (queues) => {
    expect(() => allocateByConfig(queues as never)).toThrow(mqError('INVALID_PARAMETER') as Error)
  })
})

describe('Consistent hashing', () => {
  test.each([
    [10, 8, 'C0', 'C0=0,1,2,3,4,5,6,7'],
    [10, 8, 'C0 C1', 'C0=0,1,2,6,7 C1=3,4,5'],
    [10, 8, 'C0 C1 C2', 'C0=0,1,6,7 C1=3,4 C2=2,5'],
    [10, 8, 'C0 C1 C2 C3', 'C0=0,1,7 C1=3,4 C2=2,5 C3=6'],
    [10, 4, 'C0 C1 C2 C3', 'C0=0,1 C1=3 C2=2 C3=none'],
    [10, 16, 'C0 C1 C2', 'C0=0,1,6,7,8,9,12,15 C1=3,4,10 C2=2,5,11,13,14'],
    [10, 8, '192.168.0.1@1#1 192.168.0.2@1#1', '192.168.0.1@1#1=3,4,5 192.168.0.2@1#1=0,1,2,6,7'],
    [1, 8, 'C0 C1 C2', 'C0=1,2,7 C1=0,3,4,5,6 C2=none'],
    [3, 8, 'C0 C1 C2', 'C0=6 C1=0,1,3,4,5,7 C2=2'],
    [0, 8, 'C0 C1', 'C0=none C1=none'],
  ])(
    'with %i places gives %i queues to %s as RocketMQ does',
    (virtualNodeCount, queueCount, ids, expected) => {
      const strategy = allocateConsistentHash({ virtualNodeCount })
      expect(vector(strategy, queuesOf(queueCount), ids.split(' '))).toBe(expected)
    },
  )

  test('has ten places for each member unless it is told', () => {
    expect(vector(allocateConsistentHash(), queuesOf(8), idsOf(3))).toBe('C0=0,1,6,7 C1=3,4 C2=2,5')
  })

  test('moves only the queues of a member that leaves', () => {
    const strategy = allocateConsistentHash({ virtualNodeCount: 100 })
    const ids = idsOf(6)
    for (const gone of ids) {
      const left = ids.filter((id) => id !== gone)
      for (const id of left) {
        const before = strategy.allocate('g', id, queuesOf(32), ids)
        expect(strategy.allocate('g', id, queuesOf(32), left)).toEqual(expect.arrayContaining([...before]))
      }
    }
  })

  test('takes another hash', () => {
    const strategy = allocateConsistentHash({
      virtualNodeCount: 1,
      hash: (key) => Number(/(\d+)\D*$/.exec(key)?.[1]),
    })
    expect(vector(strategy, queuesOf(2), ['C0'])).toBe('C0=0,1')
  })

  test('gives a queue to the node at its very place, or the next one, and begins anew behind the last', () => {
    // The members stand at 10, 20 and 30, and each queue at its own number.
    const strategy = allocateConsistentHash({
      virtualNodeCount: 1,
      hash: (key) => (key.startsWith('C') ? 10 * Number(key[1]) + 10 : Number(/(\d+)\D*$/.exec(key)?.[1])),
    })
    const queues = queuesOf(35)
    const ids = strategy.allocate('g', 'C1', queues, idsOf(3)).map(({ queueId }) => queueId)
    expect(ids).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
    const first = strategy.allocate('g', 'C0', queues, idsOf(3)).map(({ queueId }) => queueId)
    expect(first).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 31, 32, 33, 34])
  })

  test.each([
    null,
    5,
    { virtualNodeCount: -1 },
    { virtualNodeCount: 1.5 },
    { virtualNodeCount: 1n },
    { virtualNodeCount: Symbol('ten') },
    { hash: 'md5' },
  ])('refuses what it cannot work with', (options) => {
    expect(() => allocateConsistentHash(options as object)).toThrow(mqError('INVALID_PARAMETER') as Error)
  })

  test('refuses a hash that gives no number', () => {
    const strategy = allocateConsistentHash({ hash: (() => 'no number') as never })
    expect(() => strategy.allocate('g', 'C0', queuesOf(1), ['C0'])).toThrow(
      mqError('INVALID_PARAMETER', 'no number') as Error,
    )
  })
})

const SHARING: readonly AllocateStrategy[] = [
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByMachineRoom(['room1']),
  allocateMachineRoomNearby(allocateAveragely, {
    brokerDeployIn: () => 'here',
    consumerDeployIn: () => 'here',
  }),
  allocateMachineRoomNearby(allocateAveragely, {
    brokerDeployIn: ({ queueId }) => `room${queueId % 3}`,
    consumerDeployIn: (id) => `room${Number(id.slice(1)) % 2}`,
  }),
  allocateConsistentHash(),
]

describe.each(SHARING)('$name', (strategy) => {
  test('gives each queue to exactly one member, for all small counts, and the same when asked again', () => {
    for (let queueCount = 1; queueCount <= 20; queueCount++) {
      for (let memberCount = 1; memberCount <= 12; memberCount++) {
        const queues = queuesOf(queueCount, 'room1@b')
        const ids = idsOf(memberCount)
        const shares = ids.map((id) => strategy.allocate('g', id, queues, ids))
        const owned = shares.flat().map(({ queueId }) => queueId)
        expect(owned.toSorted((a, b) => a - b)).toEqual(queues.map(({ queueId }) => queueId))
        expect(ids.map((id) => strategy.allocate('g', id, queues, ids))).toEqual(shares)
      }
    }
  })

  test('gives nothing to somebody who is no member, and refuses to work without members or queues', () => {
    expect(strategy.allocate('g', 'stranger', queuesOf(4, 'room1@b'), idsOf(2))).toEqual([])
    expect(() => strategy.allocate('g', '', queuesOf(4), idsOf(2))).toThrow('empty')
    expect(() => strategy.allocate('g', 'C0', [], idsOf(2))).toThrow('no queues')
    expect(() => strategy.allocate('g', 'C0', queuesOf(4), [])).toThrow('no members')
  })
})
