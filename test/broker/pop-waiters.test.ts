import { describe, expect, test } from 'vitest'
import { PopWaiters, type WaitingPop } from '../../src/broker/pop-waiters.ts'
import type { PopRequest } from '../../src/model/engine.ts'
import { matchAll } from '../../src/model/subscription.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

class Room {
  readonly clock = new ManualClock()
  readonly waiters = new PopWaiters(this.clock)
  /** Who was woken, in their order. */
  readonly woken: string[] = []
  /** How often anybody asked a receive for its group. */
  askedCount = 0

  /** A receive that sleeps. */
  async sleep(name: string, { group = 'billing', topics = ['orders'], isHeldUp = false } = {}) {
    const pop = this.begin(group, topics)
    if (isHeldUp) pop.heldUpAt = [...topics]
    this.sleepAgain(name, pop)
    return pop
  }

  begin(group: string, topics: readonly string[]): WaitingPop {
    const room = this
    const request: PopRequest = {
      get group() {
        room.askedCount += 1
        return group
      },
      clientId: 'c',
      subscriptions: new Map(topics.map((topic) => [topic, matchAll])),
      maxCount: 1,
      invisibleDurationMs: 1000,
      awaitDurationMs: 60_000,
    }
    return this.waiters.begin(request)
  }

  sleepAgain(name: string, pop: WaitingPop): void {
    void this.waiters.sleep(pop).then(() => this.woken.push(name))
  }

  /** Those whom this wakes. */
  async wokenBy(act: () => void): Promise<string[]> {
    this.woken.length = 0
    act()
    await this.clock.settle()
    return [...this.woken]
  }
}

describe('Receives that sleep', () => {
  test('are woken by an append in the order they came, one of each group', async () => {
    const room = new Room()
    const a = await room.sleep('a')
    for (const name of ['b', 'c']) await room.sleep(name)
    await room.sleep('x', { group: 'audit' })
    await room.sleep('other', { topics: ['returns'] })
    const append = () => room.waiters.ringTopic('orders')
    expect(await room.wokenBy(append)).toEqual(['a', 'x'])
    expect(await room.wokenBy(append)).toEqual(['b'])
    // Whoever found nothing keeps its place.
    room.sleepAgain('a', a)
    expect(await room.wokenBy(append)).toEqual(['a'])
    expect(await room.wokenBy(append)).toEqual(['c'])
    expect(await room.wokenBy(append)).toEqual([])
    expect(await room.wokenBy(() => room.waiters.ringAll())).toEqual(['other'])
  })

  test('hear of the retries of their group, and not of others', async () => {
    const room = new Room()
    await room.sleep('a')
    await room.sleep('x', { group: 'audit' })
    expect(await room.wokenBy(() => room.waiters.ringTopic('%RETRY%audit+orders'))).toEqual(['x'])
    expect(await room.wokenBy(() => room.waiters.ringTopic('%RETRY%billing+returns'))).toEqual([])
    expect(await room.wokenBy(() => room.waiters.ringTopic('%RETRY%billing+orders'))).toEqual(['a'])
  })

  test('are woken that are held up when somebody leaves, as many as queues were left, and one more', async () => {
    const room = new Room()
    await room.sleep('a')
    await room.sleep('b')
    await room.sleep('c', { isHeldUp: true })
    await room.sleep('d', { isHeldUp: true })
    for (const name of ['e', 'f']) await room.sleep(name, { isHeldUp: true })
    await room.sleep('x', { group: 'audit', isHeldUp: true })
    const leave = (queueCount?: number) => () => room.waiters.ringGroup('billing', 'orders', queueCount)
    expect(await room.wokenBy(leave())).toEqual(['a', 'c'])
    expect(await room.wokenBy(leave(2))).toEqual(['b', 'd', 'e'])
    expect(await room.wokenBy(leave())).toEqual(['f'])
    expect(await room.wokenBy(() => room.waiters.ringGroup('nobody', 'orders'))).toEqual([])
  })

  test('pass on what they were woken for, once they have slept', async () => {
    const room = new Room()
    const topics = ['orders', 'returns']
    await room.sleep('a')
    await room.sleep('b', { topics: ['returns'], isHeldUp: true })
    const last = room.begin('billing', topics)
    expect(await room.wokenBy(() => room.waiters.passOn(last))).toEqual([])
    room.sleepAgain('last', last)
    expect(await room.wokenBy(() => last.wake())).toEqual(['last'])
    expect(await room.wokenBy(() => room.waiters.passOn(last, 'orders'))).toEqual(['b'])
    expect(await room.wokenBy(() => room.waiters.passOn(last))).toEqual(['a'])
    await room.sleep('c')
    await room.sleep('d', { isHeldUp: true })
    expect(await room.wokenBy(() => room.waiters.passBy(last, 'returns'))).toEqual([])
    expect(await room.wokenBy(() => room.waiters.passBy(last, 'orders'))).toEqual(['d'])
  })

  test('know when something rang while they looked', () => {
    const room = new Room()
    const pop = room.begin('billing', ['orders', 'returns'])
    for (const ring of [
      () => room.waiters.ringTopic('orders'),
      () => room.waiters.ringTopic('%RETRY%billing+returns'),
      () => room.waiters.ringGroup('billing', 'returns'),
      () => room.waiters.ringAll(),
    ]) {
      const { rings } = pop
      ring()
      expect(pop.rings).toBeGreaterThan(rings)
    }
    const { rings } = pop
    room.waiters.ringTopic('elsewhere')
    room.waiters.ringGroup('audit', 'orders')
    expect(pop.rings).toBe(rings)
  })

  test('cost an append nothing, however many they are', async () => {
    const room = new Room()
    const names = Array.from({ length: 200 }, (_, index) => `${index}`)
    for (const name of names) await room.sleep(name)
    room.askedCount = 0
    for (const name of names.slice(0, 3))
      expect(await room.wokenBy(() => room.waiters.ringTopic('orders'))).toEqual([name])
    expect(await room.wokenBy(() => room.waiters.ringGroup('billing', 'orders'))).toEqual(['3'])
    expect(room.askedCount).toBe(0)
  })

  test('leave nothing behind when they end, also of topics that never exist', async () => {
    const room = new Room()
    const pops = []
    for (const topic of ['orders', 'orders', 'nowhere'])
      pops.push(await room.sleep(topic, { topics: [topic, 'shared'] }))
    expect(room.waiters.bellCount).toBe(3)
    await room.clock.advance(60_000)
    expect(room.woken).toEqual(['orders', 'orders', 'nowhere'])
    for (const pop of pops) room.waiters.finish(pop)
    expect(room.waiters.bellCount).toBe(0)
    expect(await room.wokenBy(() => room.waiters.ringTopic('orders'))).toEqual([])
  })
})
