import { deepEqual } from 'node:assert/strict'
import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { snapshotOf } from '../../src/testing/index.ts'
import { openShop, type Shop } from './shop.ts'

/** A flaky order, then a fine one that names it. */
async function sell({ mq, order }: Shop): Promise<void> {
  const { messageId } = await order({ tag: 'flaky', keys: 'o-1', body: '{"amount":7}' })
  await mq.clock.advance('1s')
  await order({ properties: { replaces: messageId }, keys: [messageId, 'o-2'], body: `after ${messageId}` })
  await mq.clock.advance('1h')
}

describe('A snapshot of the ledger', () => {
  test('holds what happened to each message, without ids, queues and clients, with times as offsets', async () => {
    const shop = await openShop()
    await sell(shop)
    expect(snapshotOf(shop.mq)).toEqual([
      {
        message: 'message-1',
        topic: 'orders',
        tag: 'flaky',
        keys: ['o-1'],
        json: { amount: 7 },
        life: [
          { at: '+0s', type: 'sent', producerGroup: 'shop' },
          { at: '+0s', type: 'stored', status: 'SEND_OK' },
          { at: '+0s', type: 'delivered', group: 'billing', deliveryAttempt: 1 },
          { at: '+0s', type: 'failed', group: 'billing', deliveryAttempt: 1, reason: 'Error: no customer' },
          {
            at: '+0s',
            type: 'retried',
            group: 'billing',
            reconsumeTimes: 1,
            due: '+10s',
            reason: 'Error: no customer',
          },
          { at: '+10s', type: 'delivered', group: 'billing', deliveryAttempt: 2 },
          { at: '+10s', type: 'acknowledged', group: 'billing', deliveryAttempt: 2 },
        ],
      },
      {
        message: 'message-2',
        topic: 'orders',
        keys: ['message-1', 'o-2'],
        properties: { replaces: 'message-1' },
        body: 'after message-1',
        life: [
          { at: '+0s', type: 'sent', producerGroup: 'shop' },
          { at: '+0s', type: 'stored', status: 'SEND_OK' },
          { at: '+0s', type: 'delivered', group: 'billing', deliveryAttempt: 1 },
          { at: '+0s', type: 'acknowledged', group: 'billing', deliveryAttempt: 1 },
        ],
      },
    ])
  })

  test('is the same in a run with other ids, another start and other queues', async () => {
    const [one, other] = [await openShop({ seed: 1 }), await openShop({ seed: 2, startTime: 0 })]
    await other.order({ body: 'order 0' })
    await other.mq.clock.rest()
    other.mq.ledger.clear()
    await sell(one)
    await sell(other)
    deepEqual(snapshotOf(one.mq), snapshotOf(other.mq))
    expect(one.mq.ledger.entries[0]?.messageId).not.toBe(other.mq.ledger.entries[0]?.messageId)
  })

  test('tells of a moment in the same order, whoever was first', async () => {
    const { mq } = await openShop()
    const stamp = { topic: 'orders', messageId: 'one' }
    const delivery = { ...stamp, clientId: 'c', deliveryAttempt: 1 }
    const content = { tag: undefined, keys: [], properties: {}, body: Buffer.from('order 1') }
    mq.ledger.record({ type: 'sent', ...stamp, producerGroup: 'shop', ...content })
    mq.ledger.record({ type: 'acknowledged', ...delivery, group: 'shipping' })
    mq.ledger.record({ type: 'failed', ...delivery, group: 'billing', reason: 'no stock' })
    mq.ledger.record({ type: 'committed', ...stamp, producerGroup: 'shop' })
    mq.clock.jump(-3_600_000)
    mq.ledger.record({ type: 'acknowledged', ...delivery, group: 'billing' })
    const life = snapshotOf(mq)[0]?.life
    expect(life?.map(({ at, type, group }) => [at, type, group])).toEqual([
      ['+0s', 'sent', undefined],
      ['+0s', 'committed', undefined],
      ['+0s', 'failed', 'billing'],
      ['+0s', 'acknowledged', 'shipping'],
      ['-1h', 'acknowledged', 'billing'],
    ])
  })

  test('of the messages that a matcher means numbers these from 1, and names no other', async () => {
    const shop = await openShop()
    await sell(shop)
    const [only, ...none] = snapshotOf(shop.mq, { keys: 'o-2' })
    expect(none).toEqual([])
    expect(only).toMatchObject({ message: 'message-1', body: 'after another-message' })
    expect(snapshotOf(shop.mq, shop.mq.ledger.entries[0]?.messageId)).toMatchObject([{ json: { amount: 7 } }])
  })

  test('holds bodies as JSON, text or bytes, and nothing that is not there', async () => {
    const { mq, send } = await openShop()
    for (const body of ['[1]', '7', '{no', 'text', Buffer.from([0xff, 0])])
      await send({ topic: 'notes', body })
    expect(snapshotOf(mq).map(({ life, ...message }) => message)).toEqual([
      { message: 'message-1', topic: 'notes', json: [1] },
      { message: 'message-2', topic: 'notes', body: '7' },
      { message: 'message-3', topic: 'notes', body: '{no' },
      { message: 'message-4', topic: 'notes', body: 'text' },
      { message: 'message-5', topic: 'notes', body: 'base64:/wA=' },
    ])
  })

  test('holds only the code of a send that failed', async () => {
    const { mq, send } = await openShop()
    await send({ topic: 'notes', body: 'text' })
    const { messageId } = mq.ledger.entries[0]!
    mq.ledger.clear()
    const error = new MQError('DISK_FULL', 'There are 7 bytes left.')
    mq.ledger.record({ type: 'send-failed', topic: 'notes', messageId, error })
    expect(snapshotOf(mq)[0]?.life).toEqual([{ at: '+0s', type: 'send-failed', error: 'DISK_FULL' }])
  })

  test('survives being written as JSON', async () => {
    const shop = await openShop()
    await sell(shop)
    const snapshot = snapshotOf(shop.mq)
    expect(JSON.parse(JSON.stringify(snapshot))).toStrictEqual(snapshot)
  })
})
