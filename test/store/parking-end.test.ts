import { describe, expect, test } from 'vitest'
import { emptyAppliedState } from '../../src/store/applied-state.ts'
import { applyFact, finishSlice } from '../../src/store/apply.ts'
import type { Alarm, Fact } from '../../src/store/fact.ts'
import { emptySlice } from '../../src/store/slice.ts'
import { mqError } from '../helpers/expect-error.ts'
import { type MessageFields, openShop, type TestStore, temporaryDirectory } from './set-up.ts'

interface Parked {
  readonly alarm: Alarm
  readonly messageId: string
}

async function park(shop: TestStore, fields: MessageFields): Promise<Parked> {
  const { clock, store } = shop
  const queueUid = shop.log().uid
  const dueTimestamp = clock.now() + 60_000
  const spec = {
    kind: 'transaction',
    dueTimestamp,
    groupUid: 0,
    queueUid,
    queueOffset: 0,
    attempt: 0,
  } as const
  const { alarm } = await store.parking.park(shop.log(), spec, shop.message(fields), { timeoutMs: 3000 })
  const message = await store.parking.message(alarm)
  return { alarm, messageId: message?.messageId ?? '' }
}

async function textsOf(shop: TestStore): Promise<string[]> {
  const offsets = Array.from({ length: shop.log().maxOffset }, (_, offset) => offset)
  const found = await Promise.all(offsets.map((offset) => shop.store.readRecord(shop.log().uid, offset)))
  return found.map((message) => message?.text() ?? 'missing')
}

/** Each is found by its id, once. */
async function expectFound(shop: TestStore, ids: readonly string[]): Promise<void> {
  for (const id of ids) expect(await shop.store.queryById(id), id).toHaveLength(1)
}

describe('What is parked', () => {
  test('goes to its queue as it was sent, when it ends so', async () => {
    const shop = await openShop()
    const { alarm, messageId } = await park(shop, {
      body: 'half',
      tag: 't',
      keys: ['k'],
      properties: { a: 'b' },
    })
    await shop.store.parking.end(alarm, shop.log())
    expect(shop.store.alarms.size).toBe(0)
    const [found] = await shop.store.queryByKey(shop.topic(), 'k', 0, Number.MAX_SAFE_INTEGER, 10)
    expect(found).toMatchObject({ messageId, tag: 't', keys: ['k'], properties: { a: 'b' }, queueOffset: 0 })
    expect(found?.text()).toBe('half')
    await expectFound(shop, [messageId])
  })

  test('is gone when it ends without a queue', async () => {
    const shop = await openShop()
    const { alarm, messageId } = await park(shop, { body: 'half' })
    await shop.store.parking.end(alarm)
    expect(shop.store.alarms.size).toBe(0)
    expect(await shop.store.queryById(messageId)).toEqual([])
    expect(await shop.store.parking.message(alarm)).toBeUndefined()
  })

  test('is found by its id in whatever order it ends, between messages that are sent, and after reopening', async () => {
    const shop = await openShop(1, { storage: 'disk', path: await temporaryDirectory() })
    const halves: Parked[] = []
    const sent = [await shop.send({ body: 'plain 0' })]
    for (const body of ['0', '1', '2', '3', '4', '5']) halves.push(await park(shop, { body }))
    sent.push(await shop.send({ body: 'plain 1' }))
    const end = (index: number): Promise<unknown> => shop.store.parking.end(halves[index]!.alarm, shop.log())
    await Promise.all([end(1), end(2)])
    await end(0)
    sent.push(await shop.send({ body: 'plain 2' }))
    const late = await park(shop, { body: 'late' })
    await Promise.all([end(4), shop.store.parking.end(late.alarm, shop.log()), end(3)])
    sent.push(await shop.send({ body: 'plain 3' }))
    await shop.reopen()
    // Another message is parked first, as in any life; older ones must not begin a run of ids.
    const next = await park(shop, { body: 'next' })
    await end(5)
    await shop.store.parking.end(next.alarm, shop.log())
    const order = 'plain 0,plain 1,1,2,0,plain 2,4,late,3,plain 3,5,next'
    expect((await textsOf(shop)).join()).toBe(order)
    const ids = [...halves, late, next].map(({ messageId }) => messageId)
    await expectFound(shop, [...ids, ...sent.map(({ messageId }) => messageId)])
    await shop.expectSound()
  })

  test('is read from the index when it lies there alone', async () => {
    const shop = await openShop(1, { storage: 'disk', path: await temporaryDirectory() })
    const { alarm } = await park(shop, { body: 'half' })
    await shop.reopen()
    await shop.store.parking.end(alarm, shop.log())
    expect(await textsOf(shop)).toEqual(['half'])
  })

  test('cannot end in a queue whose topic is deleted', async () => {
    const shop = await openShop()
    const log = shop.log()
    const { alarm } = await park(shop, { body: 'half' })
    await shop.store.commit({ topicsDeleted: [shop.topic()], alarmsCleared: [alarm] })
    await expect(shop.store.parking.end(alarm, log)).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
  })

  test('cannot end in a store that is closed', async () => {
    const shop = await openShop()
    const { alarm } = await park(shop, { body: 'half' })
    const { store } = shop
    await store.close()
    await expect(store.parking.end(alarm)).rejects.toThrow(mqError('CLOSED'))
  })
})

describe('A slice', () => {
  const alarm: Alarm = {
    id: 7,
    kind: 'transaction',
    dueTimestamp: 1000,
    groupUid: 0,
    queueUid: 0,
    queueOffset: 0,
    attempt: 0,
  }
  const put: Fact = { type: 'parked-put', alarm, bytes: Buffer.from('bytes') }
  const clear: Fact = { type: 'parked-clear', id: 7, dueTimestamp: 1000 }

  /** The operations on the index, besides its summary. */
  function rowsOf(facts: readonly Fact[]): string[] {
    const [state, slice] = [emptyAppliedState(), emptySlice()]
    for (const [index, fact] of facts.entries()) applyFact(state, slice, fact, index + 1)
    finishSlice(state, slice, false)
    expect(state.nextAlarmId).toBe(facts.includes(put) ? 8 : 1)
    return slice.index.map(({ type }) => type)
  }

  test('has a row for what is parked, and one for what goes on', () => {
    expect(rowsOf([put])).toEqual(['put'])
    expect(rowsOf([clear])).toEqual(['put'])
  })

  test('has none for what is parked and ends within it', () => {
    expect(rowsOf([put, clear])).toEqual([])
    expect(rowsOf([put, clear, put])).toEqual(['put'])
  })
})
