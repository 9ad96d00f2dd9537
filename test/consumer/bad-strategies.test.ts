/** Strategies are the application's code: what they do wrong becomes an `error` event, and nothing else breaks. */
import { describe, expect, test } from 'vitest'
import type { AllocateStrategy } from '../../src/allocate/allocate.ts'
import { allocateAveragely } from '../../src/allocate/averagely.ts'
import { allocateConsistentHash } from '../../src/allocate/consistent-hash.ts'
import { allocateMachineRoomNearby } from '../../src/allocate/machine-room-nearby.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const reject = (async () => {
  throw new Error('a bug of the application')
}) as () => never

const resolver = { brokerDeployIn: () => 'here', consumerDeployIn: () => 'here' }

const REJECTING: [string, AllocateStrategy, string][] = [
  ['itself', { name: 'MINE', allocate: reject }, "'MINE' gave no list of queues"],
  [
    'within a machine room',
    allocateMachineRoomNearby({ name: 'MINE', allocate: reject }, resolver),
    "'MINE' gave no list of queues of the room 'here'",
  ],
  [
    'the room of a broker',
    allocateMachineRoomNearby(allocateAveragely, { ...resolver, brokerDeployIn: reject }),
    'no machine room for the broker',
  ],
  [
    'the room of a member',
    allocateMachineRoomNearby(allocateAveragely, { ...resolver, consumerDeployIn: reject }),
    'no machine room for the member',
  ],
  ['a hash', allocateConsistentHash({ hash: reject }), 'The hash gave no number'],
]

describe.each(REJECTING)('A strategy that rejects %s', (_, allocateStrategy, text) => {
  test('is refused, and its rejection reaches nobody else', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({
      allocateStrategy,
      listener: (message) => void seen.push(message.text()),
    })
    await host.send(['a'])
    await host.clock.settle()
    expect(host.events('error')).toContainEqual(mqError('INVALID_PARAMETER', text))
    expect(seen).toEqual([])
    expect(await consumer.close()).toEqual({ drained: true, unfinishedCount: 0 })
  })
})
