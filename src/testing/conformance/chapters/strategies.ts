/** Strategies at work: members come and go under each of them, surplus members wait, and strategies of one's own may err. */
import { strict as assert } from 'node:assert'
import type { AllocateStrategy } from '../../../allocate/allocate.ts'
import { allocateAveragely } from '../../../allocate/averagely.ts'
import { allocateAveragelyByCircle } from '../../../allocate/averagely-by-circle.ts'
import { allocateByConfig } from '../../../allocate/by-config.ts'
import { allocateByMachineRoom } from '../../../allocate/by-machine-room.ts'
import { allocateConsistentHash } from '../../../allocate/consistent-hash.ts'
import { allocateMachineRoomNearby } from '../../../allocate/machine-room-nearby.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, numbers, queueOf, refused, type Subscriber, send, subscribe } from '../kit.ts'
import { allocated, allocationOf, failingFor, join, renaming, textsOfAll } from '../kit-members.ts'
import { SHARERS } from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const QUEUES = 8

/** Each strategy with what three members get of eight queues, and the last two of them when the first has gone. */
const STRATEGIES: readonly (readonly [
  strategyOf: (mq: EngineMQ, clientId: string) => AllocateStrategy | Promise<AllocateStrategy>,
  name: string,
  ofThree: string,
  ofTwo: string,
  names?: readonly string[],
])[] = [
  [() => allocateAveragely, 'AVG', '0,1,2 | 3,4,5 | 6,7', '0,1,2,3 | 4,5,6,7'],
  [() => allocateAveragelyByCircle, 'AVG_BY_CIRCLE', '0,3,6 | 1,4,7 | 2,5', '0,2,4,6 | 1,3,5,7'],
  [
    () => renaming(allocateByMachineRoom(['room1']), () => 'room1@b'),
    'MACHINE_ROOM',
    '0,1,6 | 2,3,7 | 4,5',
    '0,1,2,3 | 4,5,6,7',
  ],
  [
    () =>
      allocateMachineRoomNearby(allocateAveragely, {
        brokerDeployIn: () => 'x',
        consumerDeployIn: (id) => (id === 'C' ? 'y' : 'x'),
      }),
    'MACHINE_ROOM_NEARBY-AVG',
    '0,1,2,3 | 4,5,6,7 | ',
    '0,1,2,3,4,5,6,7 | ',
  ],
  [
    async (mq, clientId) => {
      const given: Record<string, readonly number[]> = { A: [0, 1, 2], B: [0, 1, 2, 3, 4], C: [5, 6, 7] }
      return allocateByConfig(await Promise.all(given[clientId]!.map((queueId) => queueOf(mq, queueId))))
    },
    'CONFIG',
    '0,1,2 | 3,4 | 5,6,7',
    '0,1,2,3,4 | 5,6,7',
  ],
  [
    () => renaming(allocateConsistentHash(), () => 'broker-a', 'TopicTest'),
    'CONSISTENT_HASH',
    '2,5 | 0,1,6,7 | 3,4',
    '0,1,2,6,7 | 3,4,5',
    ['C2', 'C0', 'C1'],
  ],
]

/** What a strategy may answer that helps nobody. */
const NONSENSE: readonly (readonly [what: string, answer: () => unknown])[] = [
  ['a queue that does not exist', () => [{ topic: 'orders', brokerName: 'elsewhere', queueId: 7 }]],
  ['null', () => null],
  ['nothing', () => undefined],
  ['a text', () => 'all'],
  ['a promise', () => Promise.resolve([])],
  ['a list of numbers', () => [0, 1]],
  ['a list of nothing', () => [null]],
]

/** Gives the queues of `orders` as averagely does, or this once it is told to. */
function confusable(answer: () => unknown) {
  const state = { isConfused: false }
  const allocateStrategy: AllocateStrategy = {
    name: 'AVG',
    allocate: (group, currentId, queues, ids) =>
      state.isConfused && queues[0]?.topic === 'orders'
        ? (answer() as never)
        : allocateAveragely.allocate(group, currentId, queues, ids),
  }
  return { state, allocateStrategy }
}

function handOverRule([
  strategyOf,
  name,
  ofThree,
  ofTwo,
  names = ['A', 'B', 'C'],
]: (typeof STRATEGIES)[number]): ConformanceRule {
  return rule(
    '7',
    `Under ${name} queues change hands without loss or repetition`,
    { needs, differs: true },
    async (world) => {
      const mq = await world.openShop(QUEUES)
      const members: Subscriber[] = []
      // Once each message of the first round has failed once, so that retries find their way as well.
      const listener = failingFor(Object.fromEntries(numbers(QUEUES).map((number) => [`0-${number}`, 1])))
      const sent: string[] = []
      const sendToAll = async (): Promise<void> => {
        const round = sent.length / QUEUES
        for (const number of numbers(QUEUES)) {
          sent.push(`${round}-${number}`)
          await send(mq, sent.at(-1)!, { queueId: Number(number) })
        }
      }
      await sendToAll()
      for (const id of names) {
        members.push(...(await join(mq, [id], { allocateStrategy: await strategyOf(mq, id), listener })))
        await sendToAll()
      }
      await allocated(mq, members, ofThree)
      await sendToAll()
      void members[0]!.consumer.close()
      await sendToAll()
      await allocated(mq, members.slice(1), ofTwo)
      await mq.advance('10s')
      const done = members.flatMap(({ deliveries }) =>
        deliveries.filter(({ message }) => !message.text().startsWith('0-') || message.deliveryAttempt === 2),
      )
      assert.deepEqual(done.map(({ message }) => message.text()).sort(), sent.sort())
    },
  )
}

function nonsenseRule([what, answer]: (typeof NONSENSE)[number]): ConformanceRule {
  return rule(
    '7',
    `A member whose strategy gives ${what} keeps what it has, says so, and goes on`,
    { needs, differs: true },
    async (world) => {
      const mq = await world.openShop(4)
      const errors = eventsOf(mq, 'error')
      const { state, allocateStrategy } = confusable(answer)
      const [first] = await join(mq, ['A'], { allocateStrategy })
      await allocated(mq, [first!], '0,1,2,3')
      state.isConfused = true
      const [second] = await join(mq, ['B'])
      await mq.rest()
      assert.equal(allocationOf([first!, second!]), '0,1,2,3 | ')
      assert.deepEqual(
        errors.map(({ code }) => code),
        ['INVALID_PARAMETER'],
      )
      assert.match(errors[0]!.message, /AVG/)
      await send(mq, numbers(4))
      await mq.until('it goes on', () => first!.deliveries.length === 4)
      state.isConfused = false
      await mq.advance(1000)
      assert.equal(allocationOf([first!, second!]), '0,1 | 2,3')
      assert.equal(errors.length, 1)
    },
  )
}

function differenceRule(kind: keyof typeof SHARERS): ConformanceRule {
  return rule(
    '5.5',
    `Members of different strategies are told, and no queue has two owners: ${kind} consumers`,
    { differs: true },
    async (world) => {
      const mq = await world.openShop(4)
      const warnings = eventsOf(mq, 'warning')
      const first = await SHARERS[kind](mq, allocateAveragely)
      const second = await SHARERS[kind](mq, allocateAveragelyByCircle)
      await mq.until('what both strategies give to one is shared', async () => {
        const shares = await Promise.all([first.queueIds(), second.queueIds()])
        return shares.join(' | ') === '0,1 | 3'
      })
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['SUBSCRIPTION_MISMATCH'],
      )
      assert.match(warnings[0]!.message, /allocation strategy.*AVG_BY_CIRCLE/)
    },
  )
}

export const strategies: ConformanceChapter = {
  title: 'Allocation strategies',
  rules: [
    ...STRATEGIES.map(handOverRule),
    rule('7.6', 'CONSISTENT_HASH moves only the queues of a member that goes', async (world) => {
      const mq = await world.openShop(16)
      const members = await join(mq, ['A', 'B', 'C', 'D'], { allocateStrategy: allocateConsistentHash() })
      await mq.until(
        'all queues have an owner',
        () =>
          allocationOf(members)
            .split(/[,|]/)
            .filter((id) => id.trim() !== '').length === 16,
      )
      const before = members.map((member) => allocationOf([member]).split(','))
      await members[1]!.consumer.close()
      const left = [0, 2, 3]
      await mq.until(
        'all queues have an owner',
        () => left.flatMap((index) => allocationOf([members[index]!]).split(',')).length >= 16,
      )
      for (const index of left) {
        const after = allocationOf([members[index]!]).split(',')
        for (const id of before[index]!) assert.ok(after.includes(id), `${id} moved`)
      }
    }),
    rule(
      '6.8',
      'Surplus members idle, and one takes over as soon as another leaves',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(3)
        const members = await join(mq, ['A', 'B', 'C', 'D', 'E'])
        await allocated(mq, members, '0 | 1 | 2 |  | ')
        for (const queueId of [0, 1, 2]) await send(mq, `a${queueId}`, { queueId })
        await mq.until('the three consume', () => textsOfAll(members).length === 3)
        await mq.rest()
        await members[1]!.consumer.close()
        await allocated(mq, members, '0 |  | 1 | 2 | ')
        await members[0]!.consumer.close()
        await allocated(mq, members, ' |  | 0 | 1 | 2')
        for (const queueId of [0, 1, 2]) await send(mq, `b${queueId}`, { queueId })
        await mq.until('the others consume', () => textsOfAll(members).length === 6)
        assert.deepEqual(
          members.map(({ texts }) => texts()),
          [['a0'], ['a1'], ['a2', 'b0'], ['b1'], ['b2']],
        )
      },
    ),
    rule('6.8', 'Taking over takes no time', { needs, differs: true }, async (world) => {
      const mq = await world.openShop(1)
      const [first, second] = await join(mq, ['A', 'B'])
      await send(mq, 'x')
      await mq.rest()
      first!.consumer.pause()
      await send(mq, 'y')
      const start = mq.now()
      await first!.consumer.close()
      await mq.rest()
      assert.deepEqual(
        second!.deliveries.map(({ message, timestamp }) => [message.text(), timestamp]),
        [['y', start]],
      )
    }),
    rule('6.8', 'A member that idles gets a queue that is added', async (world) => {
      const mq = await world.openShop(1)
      const members = await join(mq, ['A', 'B'], { allocateStrategy: allocateAveragelyByCircle })
      await allocated(mq, members, '0 | ')
      await mq.admin.updateTopic({ topic: 'orders', queues: 5 })
      await allocated(mq, members, '0,2,4 | 1,3')
    }),
    rule('6.8', 'Every topic is allocated for itself', async (world) => {
      const mq = await world.openShop(3, { topics: [{ topic: 'invoices', queues: 2 }] })
      const asked = new Set<string>()
      const allocateStrategy: AllocateStrategy = {
        name: 'AVG',
        allocate: (group, currentId, queues, ids) => {
          asked.add(`${new Set(queues.map(({ topic }) => topic)).size} ${queues[0]?.topic} ${queues.length}`)
          return allocateAveragely.allocate(group, currentId, queues, ids)
        },
      }
      const subscriptions = { orders: '*', invoices: '*' }
      const members = await join(mq, ['A', 'B'], { allocateStrategy, subscriptions })
      await allocated(mq, members, '0,1 | 2')
      await allocated(mq, members, '0 | 1', 'invoices')
      await allocated(mq, members, '0 | ', '%RETRY%billing')
      assert.deepEqual([...asked].sort(), ['1 %RETRY%billing 1', '1 invoices 2', '1 orders 3'])
    }),
    rule(
      '7.5',
      'The retry topic is shared averagely where CONFIG does not name it',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const allocateStrategy = allocateByConfig([await queueOf(mq, 0)])
        const [first] = await join(mq, ['A'], { allocateStrategy, listener: failingFor({ x: 1 }) })
        assert.equal(allocationOf([first!], '%RETRY%billing'), '0')
        await send(mq, 'x', { queueId: 0 })
        await mq.advance('10s')
        assert.deepEqual(first!.texts(), ['x', 'x'])
      },
    ),
    rule('7', 'What a strategy gives to nobody waits', async (world) => {
      const mq = await world.openShop(2)
      const allocateStrategy: AllocateStrategy = {
        name: 'FIRST',
        allocate: (_group, _id, queues, ids) => queues.slice(0, ids.length - 1),
      }
      const [first] = await join(mq, ['A'], { allocateStrategy })
      await send(mq, 'x', { queueId: 0 })
      await mq.rest()
      assert.deepEqual(first!.texts(), [])
      const [second] = await join(mq, ['B'], { allocateStrategy })
      await mq.until('it is delivered', () => textsOfAll([first!, second!]).length === 1)
    }),
    rule(
      '7',
      'What a strategy gives to everybody has one owner at a time',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const allocateStrategy: AllocateStrategy = { name: 'ALL', allocate: (_group, _id, queues) => queues }
        const members = await join(mq, ['A', 'B', 'C'], { allocateStrategy })
        await allocated(mq, members, '0,1 |  | ')
        await send(mq, numbers(10))
        await mq.until('all are delivered', () => textsOfAll(members).length >= 10)
        await members[0]!.consumer.close()
        await send(mq, ['10', '11'])
        await mq.until('the others go on', () => textsOfAll(members).length >= 12)
        await mq.rest()
        assert.deepEqual(
          textsOfAll(members).sort((a, b) => Number(a) - Number(b)),
          numbers(12),
        )
      },
    ),
    rule('7', 'What a strategy gives twice is consumed once', async (world) => {
      const mq = await world.openShop(2)
      const allocateStrategy: AllocateStrategy = {
        name: 'TWICE',
        allocate: (_group, _id, queues) => [...queues, ...queues],
      }
      const [member] = await join(mq, ['A'], { allocateStrategy })
      await allocated(mq, [member!], '0,1')
      await send(mq, numbers(4))
      await mq.until('all are delivered', () => member!.deliveries.length >= 4)
      await mq.rest()
      assert.deepEqual(member!.texts().sort(), numbers(4))
    }),
    ...NONSENSE.map(nonsenseRule),
    rule('7', 'A member whose strategy throws keeps what it has, and says why', { needs }, async (world) => {
      const mq = await world.openShop(2)
      const errors = eventsOf(mq, 'error')
      const { state, allocateStrategy } = confusable(() => {
        throw new RangeError('no idea')
      })
      const [first] = await join(mq, ['A'], { allocateStrategy })
      state.isConfused = true
      const [second] = await join(mq, ['B'])
      await mq.advance('5s')
      assert.equal(allocationOf([first!, second!]), '0,1 | ')
      assert.equal(errors.length, 1)
      assert.match(errors[0]!.message, /no idea/)
    }),
    rule(
      '7',
      'Where a strategy fails for one topic, the others are allocated all the same',
      async (world) => {
        const mq = await world.openShop(2, { topics: [{ topic: 'invoices', queues: 2 }] })
        const { state, allocateStrategy } = confusable(() => null)
        state.isConfused = true
        const subscriptions = { orders: '*', invoices: '*' }
        const [first] = await join(mq, ['A'], { allocateStrategy, subscriptions })
        const [second] = await join(mq, ['B'], { subscriptions })
        await allocated(mq, [first!, second!], ' | 1')
        await allocated(mq, [first!, second!], '0 | 1', 'invoices')
        await send(mq, 'x', { topic: 'invoices', queueId: 0 })
        await mq.until('its queue is consumed', () => first!.texts().length === 1)
      },
    ),
    ...(['push', 'lite pull', 'pull'] as const).map(differenceRule),
    rule('6.1', 'What is no strategy is refused', async (world) => {
      const mq = await world.openShop()
      for (const allocateStrategy of [
        null,
        'AVG',
        {},
        { name: 'MINE' },
        { allocate: () => [] },
        { name: 'MINE', allocate: 1 },
      ]) {
        const error = await refused('INVALID_PARAMETER', () =>
          subscribe(mq, { allocateStrategy: allocateStrategy as never }),
        )
        assert.match(error.message, /allocateStrategy/)
      }
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule('7', 'Strategies refuse settings that they cannot work with', { differs: true }, async () => {
      for (const make of [
        () => allocateByConfig(undefined as never),
        () => allocateByMachineRoom([]),
        () => allocateByMachineRoom(['']),
        () =>
          allocateMachineRoomNearby(undefined as never, {
            brokerDeployIn: () => 'x',
            consumerDeployIn: () => 'x',
          }),
        () => allocateMachineRoomNearby(allocateAveragely, undefined as never),
        () => allocateConsistentHash({ virtualNodeCount: -1 }),
        () => allocateConsistentHash({ virtualNodeCount: 1.5 }),
      ])
        await refused('INVALID_PARAMETER', make)
    }),
  ],
}
