/** Each allocation strategy at work in a group of push consumers. */
import {
  type AllocateStrategy,
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByConfig,
  allocateByMachineRoom,
  allocateConsistentHash,
  allocateMachineRoomNearby,
  ConsumeResult,
  type MessageQueue,
  PocketMQ,
  type PushConsumer,
} from 'pocketmq'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../helpers/manual-clock.ts'

const QUEUES = 8

class Shop {
  readonly seen: string[] = []
  readonly clock = new ManualClock()
  readonly #mq: PocketMQ
  #sentCount = 0

  constructor(clock: ManualClock, mq: PocketMQ) {
    this.clock = clock
    this.#mq = mq
  }

  get sentCount(): number {
    return this.#sentCount
  }

  /** A member of the group; its first message fails once. */
  join(clientId: string, allocateStrategy: AllocateStrategy): Promise<PushConsumer> {
    return this.#mq.createPushConsumer({
      group: 'billing',
      clientId,
      subscriptions: { orders: '*' },
      allocateStrategy,
      listener: (message) => {
        if (message.text() === '0' && message.deliveryAttempt === 1) return ConsumeResult.FAILURE
        this.seen.push(message.text())
        return ConsumeResult.SUCCESS
      },
    })
  }

  /** One message to each queue. */
  async send(): Promise<void> {
    const producer = await this.#mq.createProducer({ group: 'shop' })
    for (const { queue } of await this.#mq.admin.topicStatus('orders')) {
      await producer.send({ topic: 'orders', body: String(this.#sentCount++) }, { queue })
    }
    await producer.close()
    await this.clock.settle()
  }
}

async function openShop(brokerName = 'room1@broker'): Promise<Shop> {
  const clock = new ManualClock()
  const mq = await PocketMQ.open({
    storage: 'memory',
    keepAlive: false,
    brokerName,
    clock,
    topics: [{ topic: 'orders', queues: QUEUES }],
  })
  onTestFinished(async () => {
    await mq.close()
  })
  return new Shop(clock, mq)
}

/** The queues of `orders` of each member. */
function held(members: readonly PushConsumer[]): number[][] {
  return members.map(({ stats }) =>
    stats.queues
      .filter(({ topic }) => topic === 'orders')
      .map(({ queueId }) => queueId)
      .sort((a, b) => a - b),
  )
}

const nearby = allocateMachineRoomNearby(allocateAveragely, {
  brokerDeployIn: ({ brokerName }) => brokerName.split('@')[0] ?? '',
  consumerDeployIn: (clientId) => (clientId === 'c' ? 'room2' : 'room1'),
})

/** What three members get, and what is left to two when the first one goes. */
const GROUPS: [AllocateStrategy, number[][], number[][]][] = [
  [
    allocateAveragely,
    [
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ],
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
  ],
  [
    allocateAveragelyByCircle,
    [
      [0, 3, 6],
      [1, 4, 7],
      [2, 5],
    ],
    [
      [0, 2, 4, 6],
      [1, 3, 5, 7],
    ],
  ],
  [
    allocateByMachineRoom(['room1']),
    [
      [0, 1, 6],
      [2, 3, 7],
      [4, 5],
    ],
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
  ],
  [nearby, [[0, 1, 2, 3], [4, 5, 6, 7], []], [[0, 1, 2, 3, 4, 5, 6, 7], []]],
]

describe.each(GROUPS)('A group that shares by $name', (strategy, ofThree, ofTwo) => {
  test('consumes every message once, and its queues change hands at once when a member goes', async () => {
    const shop = await openShop()
    const members = [
      await shop.join('a', strategy),
      await shop.join('b', strategy),
      await shop.join('c', strategy),
    ]
    await shop.clock.settle()
    expect(held(members)).toEqual(ofThree)
    await shop.send()
    await members.shift()?.close()
    await shop.clock.settle()
    expect(held(members)).toEqual(ofTwo)
    await shop.send()
    await shop.clock.advance(10_000)
    expect(shop.seen.sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: shop.sentCount }, (_, i) => String(i)),
    )
  })
})

describe('A group that shares by CONSISTENT_HASH', () => {
  test('moves only the queues of the member that goes', async () => {
    const shop = await openShop()
    const strategy = allocateConsistentHash()
    const members = [
      await shop.join('a', strategy),
      await shop.join('b', strategy),
      await shop.join('c', strategy),
    ]
    await shop.clock.settle()
    const [, ...before] = held(members)
    await shop.send()
    await members.shift()?.close()
    await shop.clock.settle()
    const after = held(members)
    before.forEach((queues, index) => {
      expect(after[index]).toEqual(expect.arrayContaining(queues))
    })
    expect(after.flat().sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await shop.send()
    await shop.clock.advance(10_000)
    expect(new Set(shop.seen).size).toBe(shop.sentCount)
    expect(shop.seen).toHaveLength(shop.sentCount)
  })
})

describe('A group whose queues are configured', () => {
  const queue = (queueId: number): MessageQueue => ({ topic: 'orders', brokerName: 'localhost', queueId })

  test('consumes what each member is given, and its retries all the same', async () => {
    const shop = await openShop('localhost')
    const members = [
      await shop.join('a', allocateByConfig([0, 1, 2, 3, 4].map(queue))),
      await shop.join('b', allocateByConfig([5, 6, 7].map(queue))),
    ]
    await shop.clock.settle()
    expect(held(members)).toEqual([
      [0, 1, 2, 3, 4],
      [5, 6, 7],
    ])
    await shop.send()
    expect(shop.seen).not.toContain('0')
    await shop.clock.advance(10_000)
    expect(shop.seen.sort()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  test('gives a queue of two members to one, and to the other when that one goes', async () => {
    const shop = await openShop('localhost')
    const both = allocateByConfig([queue(0)])
    const members = [await shop.join('a', both), await shop.join('b', both)]
    await shop.clock.settle()
    expect(held(members)).toEqual([[0], []])
    await members[0]?.close()
    await shop.clock.settle()
    expect(held(members.slice(1))).toEqual([[0]])
  })
})

describe('More members than queues', () => {
  test('leave the surplus idle; one of them takes over in the turn in which another leaves', async () => {
    const shop = await openShop()
    const ids = Array.from({ length: QUEUES + 2 }, (_, i) => `m${i}`)
    const members: PushConsumer[] = []
    for (const id of ids) members.push(await shop.join(id, allocateAveragely))
    await shop.clock.settle()
    expect(held(members)).toEqual([[0], [1], [2], [3], [4], [5], [6], [7], [], []])
    await shop.send()
    expect(members.at(-1)?.stats.succeededCount).toBe(0)
    const now = shop.clock.now()
    await members[3]?.close()
    await shop.clock.settle()
    expect(shop.clock.now()).toBe(now)
    expect(held(members).flat().sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(held(members.slice(8, 9))).toEqual([[7]])
    await shop.send()
    expect(members[8]?.stats.succeededCount).toBe(1)
  })
})
