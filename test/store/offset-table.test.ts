import { describe, expect, test } from 'vitest'
import { mqError } from '../helpers/expect-error.ts'
import { openShop } from './set-up.ts'

async function shopWithGroup() {
  const shop = await openShop()
  const group = await shop.createGroup()
  await shop.sendBatch(Array.from({ length: 20 }, (_, i) => `m${i}`))
  const commit = (offset: number, mayGoBack = false) =>
    shop.store.commit({ offsets: [{ group, log: shop.log(), offset, mayGoBack }] })
  const committed = () => shop.store.offsets.get(group, shop.log())
  return { shop, group, commit, committed }
}

describe('The committed offset of a group', () => {
  test('is unknown until the first commit, which may be 0', async () => {
    const { commit, committed } = await shopWithGroup()
    expect(committed()).toBeUndefined()
    await commit(0)
    expect(committed()).toBe(0)
  })

  test('never falls', async () => {
    const { commit, committed } = await shopWithGroup()
    await commit(7)
    await commit(3)
    expect(committed()).toBe(7)
  })

  test('falls when it is reset from outside, and rises from there', async () => {
    const { commit, committed } = await shopWithGroup()
    await commit(7)
    await commit(3, true)
    expect(committed()).toBe(3)
    await commit(5)
    expect(committed()).toBe(5)
  })

  test('never falls when changes cross on their way', async () => {
    const { commit, committed } = await shopWithGroup()
    await Promise.all([commit(9), commit(4), commit(6)])
    expect(committed()).toBe(9)
  })

  test.each([5, 4])('is told only when it is durable: %i while 5 is on its way', async (again) => {
    const { commit, committed } = await shopWithGroup()
    const [first, second] = [commit(5), commit(again)]
    await second
    expect(committed()).toBe(5)
    await first
  })

  test('is what a reset says although a higher offset is on its way', async () => {
    const { commit, committed } = await shopWithGroup()
    await Promise.all([commit(9), commit(2, true), commit(3)])
    expect(committed()).toBe(3)
  })

  test('survives reopening, in the same place', async () => {
    const { shop, group } = await shopWithGroup()
    expect(await shop.store.commit({ offsets: [{ group, log: shop.log(), offset: 8 }] })).toBeUndefined()
    expect([...shop.store.offsets.entries()]).toEqual([[group.uid, shop.log().uid, 8]])
    expect([...shop.store.offsets.ofGroup(group.uid)]).toEqual([[shop.log().uid, 8]])
  })

  test('goes with its topic, also when it is still on its way', async () => {
    const { shop, group, commit } = await shopWithGroup()
    await Promise.all([commit(4), shop.store.commit({ topicsDeleted: [shop.topic()] })])
    expect([...shop.store.offsets.ofGroup(group.uid)]).toEqual([])
  })

  test('goes with its group, also when it is still on its way', async () => {
    const { shop, group, commit } = await shopWithGroup()
    await Promise.all([commit(4), shop.store.commit({ groupsDeleted: [group] })])
    expect([...shop.store.offsets.entries()]).toEqual([])
  })

  test('that no queue can have is refused before anything is written', async () => {
    const { commit, committed } = await shopWithGroup()
    await expect(commit(2 ** 50)).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await expect(commit(-1)).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await expect(commit(1.5)).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await commit(1)
    expect(committed()).toBe(1)
  })
})
