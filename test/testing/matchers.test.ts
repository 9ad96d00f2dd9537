import '../../src/testing/vitest.ts'
import { describe, expect, test } from 'vitest'
import { mqMatchers } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { openShop, type Shop } from './shop.ts'

/** One order goes well, one does after a retry, one never does. */
async function openBusyShop(): Promise<Shop> {
  const shop = await openShop()
  await shop.order({ keys: 'o-1', body: 'order 1' })
  await shop.order({ keys: 'o-2', tag: 'flaky', body: 'order 2' })
  await shop.order({ keys: 'o-3', tag: 'broken', body: 'order 3' })
  await shop.mq.clock.advance('1h')
  return shop
}

describe('The matchers', () => {
  test('say what was sent and what became of it', async () => {
    const { mq } = await openBusyShop()
    expect(mq).toHaveSent()
    expect(mq).toHaveSent({ topic: 'orders', times: 3 })
    expect(mq).toHaveDelivered('billing')
    expect(mq).toHaveDelivered('billing', { keys: 'o-3', times: 3 })
    expect(mq).toHaveConsumed('billing', { keys: 'o-2' })
    expect(mq).toHaveConsumed('billing', { tag: 'flaky', times: 1 })
    expect(mq).toHaveRetried('billing', { keys: 'o-3', times: 2 })
    expect(mq).toHaveDeadLettered('billing', { keys: 'o-3', reason: 'no customer', reconsumeTimes: 3 })
  })

  test('say what was not', async () => {
    const { mq } = await openBusyShop()
    expect(mq).not.toHaveSent({ topic: 'invoices' })
    expect(mq).not.toHaveSent({ topic: 'orders', times: 2 })
    expect(mq).not.toHaveDelivered('shipping')
    expect(mq).not.toHaveConsumed('billing', { keys: 'o-3' })
    expect(mq).not.toHaveRetried('billing', { keys: 'o-1' })
    expect(mq).not.toHaveDeadLettered('billing', { keys: 'o-2' })
    expect(mq).not.toHaveDeadLettered('billing', { keys: 'o-3', reason: /stock/ })
  })

  test('say how delays and transactions ended', async () => {
    const { mq } = await openShop()
    const producer = await mq.createProducer({ group: 'bank', transactionChecker: () => 'UNKNOWN' })
    const deliveryTimestamp = mq.clock.now() + 1000
    const { recallHandle } = await producer.send({
      topic: 'orders',
      keys: 'o-1',
      body: 'x',
      deliveryTimestamp,
    })
    await producer.recall('orders', recallHandle)
    await producer.sendInTransaction({ topic: 'orders', keys: 'o-2', body: 'x' }, () => 'COMMIT')
    await producer.sendInTransaction({ topic: 'orders', keys: 'o-3', body: 'x' }, () => 'ROLLBACK')
    expect(mq).toHaveRecalled({ keys: 'o-1' })
    expect(mq).not.toHaveRecalled({ keys: 'o-2' })
    expect(mq).toHaveCommitted({ keys: 'o-2' })
    expect(mq).not.toHaveCommitted({ keys: 'o-3' })
    expect(mq).toHaveRolledBack()
    expect(mq).not.toHaveRolledBack({ keys: 'o-1' })
  })

  test('fail with what there was instead, and both sides for a diff', async () => {
    const { mq } = await openBusyShop()
    const texts: readonly (readonly [call: () => void, text: string])[] = [
      [
        () => expect(mq).toHaveSent({ topic: 'invoices' }),
        "Expected a send with topic 'invoices'; there was none.",
      ],
      [() => expect(mq).not.toHaveSent({ keys: 'o-1' }), "Expected no send with keys 'o-1'; there was one."],
      [() => expect(mq).toHaveConsumed('shipping'), "'shipping' to have consumed a message; it never did."],
      [
        () => expect(mq).not.toHaveConsumed('billing'),
        "'billing' not to have consumed a message; it did 2 times.",
      ],
      [() => expect(mq).toHaveDelivered('billing', { keys: 'o-1', times: 2 }), ', 2 times; it did 1 time.'],
      [() => expect(mq).toHaveRetried('billing', { keys: 'o-1' }), '+0s  acknowledged by'],
      [() => expect(mq).not.toHaveDeadLettered('billing', { keys: 'o-3' }), '+40s  dead-lettered by'],
    ]
    for (const [call, text] of texts) expect(call).toThrow(text)
    const [[fail]] = texts as [(typeof texts)[0]]
    expect(fail).toThrow(
      expect.objectContaining({ expected: { topic: 'invoices' }, actual: { topic: 'orders' } }),
    )
  })

  test('fail both ways when no message is meant', async () => {
    const { mq } = await openBusyShop()
    expect(() => expect(mq).toHaveConsumed('billing', { keys: 'o-4' })).toThrow('there is no such message')
    expect(() => expect(mq).not.toHaveConsumed('billing', { keys: 'o-4' })).toThrow(
      'there is no such message',
    )
  })

  test('refuse what they do not know', async () => {
    const { mq } = await openBusyShop()
    expect(() => expect(mq).toHaveConsumed('billing', { key: 'o-1' } as never)).toThrow(
      mqError('INVALID_PARAMETER', "Did you mean 'keys'?"),
    )
    expect(() => expect({}).toHaveSent()).toThrow(mqError('INVALID_PARAMETER', 'createTestMQ'))
  })

  test('answer as every framework expects that can be extended', async () => {
    const { mq } = await openBusyShop()
    const asked = (isNot: boolean, topic: string) => mqMatchers.toHaveSent.call({ isNot }, mq, { topic })
    expect(asked(false, 'orders')).toMatchObject({ pass: true })
    expect(asked(true, 'invoices')).toMatchObject({ pass: false })
    expect(asked(false, 'invoices')).toMatchObject({ pass: false, expected: { topic: 'invoices' } })
    expect(asked(true, 'orders')).toMatchObject({ pass: true, actual: { times: 3 } })
    expect(asked(true, 'orders').message()).toContain('Expected no send')
  })
})
