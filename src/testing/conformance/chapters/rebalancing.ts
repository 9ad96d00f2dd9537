/** Which member of a group consumes which queue, and what happens when members come and go. */
import { strict as assert } from 'node:assert'
import type { AllocateStrategy } from '../../../allocate/allocate.ts'
import { matchAll } from '../../../model/subscription.ts'
import {
  committed,
  eventsOf,
  failing,
  gate,
  numbers,
  queueOf,
  refused,
  type Subscriber,
  send,
} from '../kit.ts'
import { allocated, allocationOf, join, textsOfAll } from '../kit-members.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

export const rebalancing: ConformanceChapter = {
  title: 'Allocation and rebalance',
  rules: [
    rule('6.8', 'Members are sorted by their ids as text, whenever they came', async (world) => {
      const mq = await world.openShop(4)
      const [c10, c9, a] = await join(mq, ['C9', 'C10', 'A'])
      await allocated(mq, [a!, c9!, c10!], '0,1 | 2 | 3')
    }),
    rule('6.8', 'A member that joins gets its share without delay', { differs: true }, async (world) => {
      const mq = await world.openShop(4)
      const [first] = await join(mq, ['A'])
      await allocated(mq, [first!], '0,1,2,3')
      const [second] = await join(mq, ['B'])
      await allocated(mq, [first!, second!], '0,1 | 2,3')
    }),
    rule(
      '6.8',
      'The queues of a member that leaves go to the others without delay',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(4)
        const [first, second] = await join(mq, ['A', 'B'])
        await allocated(mq, [first!, second!], '0,1 | 2,3')
        await first!.consumer.close()
        await allocated(mq, [second!], '0,1,2,3')
      },
    ),
    rule('6.8', 'Members without a queue get nothing until one is free', async (world) => {
      const mq = await world.openShop(1)
      const members = await join(mq, ['A', 'B'])
      await allocated(mq, members, '0 | ')
      await send(mq, 'x')
      await mq.until('the first gets it', () => members[0]!.texts().length === 1)
      await members[0]!.consumer.close()
      await send(mq, 'y')
      await mq.until('the second takes over', () => members[1]!.texts().length === 1)
      assert.deepEqual(
        members.map((member) => member.texts()),
        [['x'], ['y']],
      )
    }),
    rule('6.8', 'Members share the messages: each goes to one of them', async (world) => {
      const mq = await world.openShop(4)
      const members = await join(mq, ['A', 'B', 'C'])
      await allocated(mq, members, '0,1 | 2 | 3')
      await send(mq, numbers(40))
      await mq.until('all are delivered', () => textsOfAll(members).length === 40)
      assert.deepEqual(new Set(textsOfAll(members)), new Set(numbers(40)))
      assert.deepEqual(
        members.map(({ deliveries }) => deliveries.length),
        [20, 10, 10],
      )
    }),
    rule('6.8', 'Every queue has one owner at any time', async (world) => {
      const mq = await world.openShop(8)
      const members: Subscriber[] = []
      for (const name of ['A', 'B', 'C', 'D']) {
        members.push(...(await join(mq, [name])))
        await mq.rest()
        const owned = allocationOf(members)
          .split(/[,| ]+/)
          .filter((id) => id !== '')
        assert.deepEqual(owned.map(Number).sort(), numbers(8).map(Number))
      }
    }),
    rule('6.8', 'A hand-over skips nothing', async (world) => {
      const mq = await world.openShop(4)
      const members = await join(mq, ['A'], { listener: async () => undefined })
      for (let round = 0; round < 10; round++) {
        void send(
          mq,
          numbers(10).map((number) => `${round}-${number}`),
        )
        if (round % 3 === 1)
          members.push(...(await join(mq, [`B${round}`], { listener: async () => undefined })))
        if (round % 3 === 2) await members.at(-1)!.consumer.close()
      }
      await mq.until('all are delivered', () => new Set(textsOfAll(members)).size === 100)
    }),
    rule(
      '6.8',
      'A hand-over repeats nothing, also when listeners are busy',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(4)
        const hold = gate()
        const [first] = await join(mq, ['A'], { listener: () => hold.isOpen })
        await send(mq, numbers(40))
        await mq.until('some run', () => first!.deliveries.length >= 10)
        const [second] = await join(mq, ['B'])
        await mq.rest()
        hold.open()
        await mq.until('all are delivered', () => textsOfAll([first!, second!]).length >= 40)
        await mq.rest()
        assert.deepEqual(
          textsOfAll([first!, second!])
            .map(Number)
            .sort((a, b) => a - b),
          numbers(40).map(Number),
        )
      },
    ),
    rule('6.8', 'The new owner goes on where the old one stopped', async (world) => {
      const mq = await world.openShop(2)
      const [first] = await join(mq, ['A'])
      await send(mq, numbers(5), { queueId: 1 })
      await mq.until('they are consumed', async () => (await committed(mq, { queueId: 1 })) === 5)
      const [second] = await join(mq, ['B'])
      await allocated(mq, [first!, second!], '0 | 1')
      await send(mq, 'next', { queueId: 1 })
      await mq.until('the new owner gets it', () => second!.texts().length === 1)
      assert.deepEqual(second!.texts(), ['next'])
    }),
    rule(
      '6.8',
      'Retries are consumed by one member as long as there is one retry queue',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop(2)
        const members = await join(mq, ['A', 'B'], { listener: failing() })
        assert.equal(allocationOf(members, '%RETRY%billing'), '0 | ')
        await send(mq, numbers(4))
        await mq.advance('10s')
        assert.deepEqual(
          members.map(({ deliveries }) => deliveries.length),
          [6, 2],
        )
      },
    ),
    rule('6.8', 'Groups are allocated each for itself', async (world) => {
      const mq = await world.openShop(2)
      const billing = await join(mq, ['A', 'B'])
      const shipping = await join(mq, ['C'], { group: 'shipping' })
      await allocated(mq, billing, '0 | 1')
      await allocated(mq, shipping, '0,1')
    }),
    rule('6.8', 'Queues that are added are shared', async (world) => {
      const mq = await world.openShop(2)
      const members = await join(mq, ['A', 'B'])
      await mq.admin.updateTopic({ topic: 'orders', queues: 6 })
      await allocated(mq, members, '0,1,2 | 3,4,5')
    }),
    rule('6.8', 'Messages wait while a group has no member', async (world) => {
      const mq = await world.openShop()
      const [first] = await join(mq, ['A'])
      await first!.consumer.close()
      await send(mq, numbers(5))
      const [second] = await join(mq, ['B'])
      await mq.until('they are delivered', () => second!.texts().length === 5)
    }),
    rule('6.8', 'Who comes and goes is told', async (world) => {
      const mq = await world.openShop()
      const changes = eventsOf(mq, 'group-changed')
      const [first] = await join(mq, ['B', 'A'])
      await first!.consumer.close()
      assert.deepEqual(
        changes.map(({ clientIds }) => clientIds),
        [['B'], ['A', 'B'], ['A']],
      )
    }),
    rule(
      '7',
      'A strategy of one’s own is given the sorted queues and members, and decides',
      async (world) => {
        const mq = await world.openShop(3)
        const calls = new Set<string>()
        const allocateStrategy: AllocateStrategy = {
          name: 'REVERSE',
          allocate: (group, currentId, queues, ids) => {
            if (queues[0]?.topic === 'orders')
              calls.add(`${group} ${currentId} ${queues.map(({ queueId }) => queueId)} ${ids}`)
            return queues.filter((_, index) => ids.toReversed()[index % ids.length] === currentId)
          },
        }
        const members = await join(mq, ['A', 'B'], { allocateStrategy })
        await allocated(mq, members, '1 | 0,2')
        assert.ok(calls.has('billing A 0,1,2 A,B') && calls.has('billing B 0,1,2 A,B'))
      },
    ),
    rule('7', 'A strategy that gives a queue of nobody is told as an error', async (world) => {
      const mq = await world.openShop(1)
      const errors = eventsOf(mq, 'error')
      const allocateStrategy: AllocateStrategy = {
        name: 'WRONG',
        allocate: () => [{ topic: 'orders', brokerName: 'elsewhere', queueId: 7 }],
      }
      await join(mq, ['A'], { allocateStrategy })
      await mq.until('it is told', () => errors.length > 0)
      assert.equal(errors[0]?.code, 'INVALID_PARAMETER')
    }),
    rule('6.6', 'One client of a group at a time holds the lease on a queue', async (world) => {
      const mq = await world.openShop()
      const queues = [await queueOf(mq)]
      assert.deepEqual(await mq.engine.lockQueues('billing', 'A', queues), queues)
      assert.deepEqual(await mq.engine.lockQueues('billing', 'B', queues), [])
      assert.deepEqual(await mq.engine.lockQueues('billing', 'A', queues), queues)
      assert.deepEqual(await mq.engine.lockQueues('shipping', 'B', queues), queues)
    }),
    rule('6.6', 'A lease that is given back is free, and whoever waits is told', async (world) => {
      const mq = await world.openShop()
      const queues = [await queueOf(mq)]
      const told: string[] = []
      mq.engine.watch((event) => told.push(event.type))
      await mq.engine.lockQueues('billing', 'A', queues)
      await mq.engine.unlockQueues('billing', 'B', queues)
      assert.deepEqual(await mq.engine.lockQueues('billing', 'B', queues), [])
      await mq.engine.unlockQueues('billing', 'A', queues)
      assert.deepEqual(told, ['queue-unlocked'])
      assert.deepEqual(await mq.engine.lockQueues('billing', 'B', queues), queues)
    }),
    rule('6.6', 'A lease that is not renewed ends', { needs: ['virtualTime'] }, async (world) => {
      const mq = await world.openShop()
      const queues = [await queueOf(mq)]
      const { lockLeaseMs } = mq.engine
      await mq.engine.lockQueues('billing', 'A', queues)
      await mq.advance(lockLeaseMs - 1)
      await mq.engine.lockQueues('billing', 'A', queues)
      await mq.advance(lockLeaseMs - 1)
      assert.deepEqual(await mq.engine.lockQueues('billing', 'B', queues), [])
      await mq.advance(1)
      assert.deepEqual(await mq.engine.lockQueues('billing', 'B', queues), queues)
    }),
    rule('6.9', 'A client that leaves gives its leases back', async (world) => {
      const mq = await world.openShop()
      const queues = [await queueOf(mq)]
      const subscriptions = new Map([['orders', matchAll]])
      const registration = { group: 'billing', messageModel: 'clustering', consumeType: 'push' } as const
      await mq.engine.registerConsumer({ ...registration, clientId: 'A', subscriptions })
      await mq.engine.lockQueues('billing', 'A', queues)
      await mq.engine.unregisterConsumer('billing', 'A')
      assert.deepEqual(await mq.engine.lockQueues('billing', 'B', queues), queues)
    }),
    rule('6.9', 'A group without members has no client ids', async (world) => {
      const mq = await world.openShop()
      assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
      const [member] = await join(mq, ['A'])
      await member!.consumer.close()
      assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
      await refused('CLOSED', () => member!.consumer.pause())
    }),
  ],
}
