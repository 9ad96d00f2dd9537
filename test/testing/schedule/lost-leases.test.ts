import { describe, expect, test, vi } from 'vitest'
import type { Engine } from '../../../src/model/engine.ts'
import { type ListenerCall, layeredCall, layeredEngine } from '../../../src/testing/layer.ts'
import type { ScheduleDice } from '../../../src/testing/schedule/dice.ts'
import { lostLeases } from '../../../src/testing/schedule/lost-leases.ts'

const QUEUE = { topic: 'orders', brokerName: 'localhost', queueId: 0 }

/** Loses whatever may be lost. */
const dice = {
  chance: () => true,
  pause: async () => undefined,
  note: () => undefined,
} as unknown as ScheduleDice

/** Long enough for everything that needs no turn. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await undefined
}

/** An engine that knows leases, and writes down who takes and gives them. */
function leasingEngine(commits: number[], leases: string[]): Engine {
  let holder: string | undefined
  return {
    updateConsumerOffset: async (_: string, __: object, offset: number) => void commits.push(offset),
    lockQueues: async (_: string, clientId: string, queues: readonly object[]) => {
      holder ??= clientId
      if (holder === clientId) leases.push(`${clientId} has it`)
      return holder === clientId ? queues : []
    },
    unlockQueues: async (_: string, clientId: string) => {
      if (holder !== clientId) return
      holder = undefined
      leases.push(`${clientId} lost it`)
    },
    watch: () => () => undefined,
  } as unknown as Engine
}

/** A member that holds a queue, has committed its first offset, and now commits another one. */
async function commitAfterCall(isOrderly: boolean) {
  const commits: number[] = []
  const leases: string[] = []
  const layer = lostLeases(dice)
  const engine = layeredEngine(leasingEngine(commits, leases), [layer])
  const listener = vi.fn(async () => undefined)
  await engine.lockQueues('billing', 'clerk', [QUEUE])
  await engine.updateConsumerOffset('billing', QUEUE, 0)
  await layeredCall(listener, [layer])({ group: 'billing', isOrderly } as ListenerCall)
  await engine.updateConsumerOffset('billing', QUEUE, 1)
  await settled()
  expect(listener).toHaveBeenCalledOnce()
  return { engine, commits, leases }
}

describe('A schedule that loses leases', () => {
  test('loses acknowledgements together with the queue', async () => {
    const { commits, leases } = await commitAfterCall(false)
    expect(commits).toEqual([0])
    expect(leases).toEqual(['clerk has it', 'clerk lost it', '~thief has it'])
  })

  test('gives the queue back when its holder knows, and no earlier', async () => {
    const { engine, leases } = await commitAfterCall(false)
    leases.length = 0
    await engine.lockQueues('billing', 'somebody-else', [QUEUE])
    await settled()
    expect(leases).toEqual([])
    expect(await engine.lockQueues('billing', 'clerk', [QUEUE])).toEqual([])
    await settled()
    expect(leases).toEqual(['~thief lost it'])
    expect(await engine.lockQueues('billing', 'clerk', [QUEUE])).toEqual([QUEUE])
  })

  test('never loses the first offset of a queue, without which a new start might skip messages', async () => {
    const commits: number[] = []
    const bare = {
      updateConsumerOffset: async (_: string, __: object, offset: number) => void commits.push(offset),
    } as unknown as Engine
    const layer = lostLeases(dice)
    const engine = layeredEngine(bare, [layer])
    await layeredCall(async () => undefined, [layer])({ group: 'billing', isOrderly: false } as ListenerCall)
    await engine.updateConsumerOffset('billing', QUEUE, 0)
    await engine.updateConsumerOffset('billing', QUEUE, 1)
    expect(commits).toEqual([0])
  })

  test('leaves groups alone that consume in order', async () => {
    const { commits, leases } = await commitAfterCall(true)
    expect(commits).toEqual([0, 1])
    expect(leases).toEqual(['clerk has it'])
  })
})
