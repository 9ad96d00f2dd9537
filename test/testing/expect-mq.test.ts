import { describe, expect, test } from 'vitest'
import { createTestMQ, expectMQ } from '../../src/testing/index.ts'
import { Signal } from '../helpers/signal.ts'
import { refusal } from '../model/refusal.ts'
import { failureOf, openShop } from './shop.ts'

const JSON_ORDER = '{"amount":7,"items":[{"sku":"a","count":1}],"note":"to the back door"}'

describe('That a message was sent', () => {
  test.each([
    ['nothing', {}],
    ['its topic', { topic: 'orders' }],
    ['a pattern for its topic', { topic: /^ord/g }],
    ['its tag', { tag: 'paid' }],
    ['a predicate for its tag', { tag: (tag: string | undefined) => tag?.length === 4 }],
    ['one of its keys', { keys: 'c-1' }],
    ['several of its keys', { keys: ['c-1', 'o-1'] }],
    ['one of its properties', { properties: { region: /^e/ } }],
    ['its body as text', { body: JSON_ORDER }],
    ['its body as bytes', { body: Buffer.from(JSON_ORDER) }],
    ['a pattern for its body', { body: /back door/ }],
    ['a predicate for its body', { body: (body: Buffer) => body.length > 40 }],
    ['some of its JSON', { json: { amount: 7, items: [{ sku: 'a' }] } }],
    ['JSON with patterns and predicates', { json: { amount: (n: number) => n > 6, note: /door/ } }],
    [
      'JSON with matchers of the framework',
      { json: expect.objectContaining({ amount: expect.any(Number) }) },
    ],
    ['how often', { topic: 'orders', times: 1 }],
    ['how its send ended', { outcome: 'stored' }],
  ] as const)('can be asked by %s', async (_, matcher) => {
    const { mq, order } = await openShop()
    await order({ tag: 'paid', keys: ['o-1', 'c-1'], properties: { region: 'eu' }, body: JSON_ORDER })
    expectMQ(mq).sent(matcher)
    // A pattern with the flag g remembers where it stopped; it is asked twice here.
    expect(() => expectMQ(mq).not.sent(matcher)).toThrow('Expected')
  })

  test.each([
    ['another topic', { topic: 'order' }],
    ['another tag', { tag: 'pai' }],
    ['a key that it has not', { keys: ['o-1', 'o-2'] }],
    ['a property with another value', { properties: { region: 'us' } }],
    ['a property that it has not', { properties: { country: /./ } }],
    ['another body', { body: 'order' }],
    ['other bytes', { body: Buffer.from([1]) }],
    ['JSON with another value', { json: { items: [{ sku: 'b' }] } }],
    ['JSON with a field more', { json: { price: undefined } }],
    ['JSON with a longer array', { json: { items: [{ sku: 'a' }, { sku: 'b' }] } }],
    ['another number of sends', { times: 2 }],
    ['another end of the send', { outcome: 'failed' }],
  ] as const)('is not so with %s', async (_, matcher) => {
    const { mq, order } = await openShop()
    await order({ tag: 'paid', keys: ['o-1', 'c-1'], properties: { region: 'eu' }, body: JSON_ORDER })
    expectMQ(mq).not.sent(matcher)
    expect(() => expectMQ(mq).sent(matcher)).toThrow('Expected')
  })

  test('fails with what comes nearest, and where that differs', async () => {
    const { mq, order, send } = await openShop()
    await send({ topic: 'invoices', tag: 'paid', body: 'invoice' })
    await order({ tag: 'new', keys: 'o-1', body: '{"amount":8}' })
    await mq.clock.advance('90s')
    await order({ tag: 'paid', keys: ['o-2', 'c-1'], body: 'hello' })

    const failure = failureOf(() =>
      expectMQ(mq).sent({ topic: 'orders', tag: 'paid', json: { amount: 8 }, keys: 'o-2' }),
    )
    expect(failure.message).toBe(`\
Expected a send with topic 'orders', tag 'paid', keys 'o-2', json { amount: 8 }; there was none.
The nearest:
  +1m30s  orders, tag 'paid', keys 'o-2' 'c-1', body 'hello' (ID)
      json is '(no JSON)', not { amount: 8 }
  +0s  orders, tag 'new', keys 'o-1', body '{"amount":8}' (ID)
      tag is 'new', not 'paid'; keys is [ 'o-1' ], not 'o-2'
  +0s  invoices, tag 'paid', body 'invoice' (ID)
      topic is 'invoices', not 'orders'; keys is [], not 'o-2'; json is '(no JSON)', not { amount: 8 }`)
  })

  test('fails with both sides, alike but for the difference, for the framework to compare', async () => {
    const { mq, order } = await openShop()
    await order({ tag: 'paid', body: JSON_ORDER })
    const json = { amount: 8, note: /door/, items: [expect.objectContaining({ count: 2 })] }
    const { expected, actual, operator } = failureOf(() => expectMQ(mq).sent({ topic: /^orders$/, json }))
    expect({ expected, actual, operator }).toEqual({
      operator: 'sent',
      expected: {
        topic: 'orders',
        json: { amount: 8, note: 'to the back door', items: ['ObjectContaining { count: 2 }'] },
      },
      actual: {
        topic: 'orders',
        json: { amount: 7, note: 'to the back door', items: [{ sku: 'a', count: 1 }] },
      },
    })
  })

  test('fails with how many there were when the number is wrong', async () => {
    const { mq, order, send } = await openShop()
    await order({ body: 'order 1' })
    await order({ body: 'order 2' })
    await send({ topic: 'invoices', body: 'invoice' })

    const tooMany = failureOf(() => expectMQ(mq).sent({ topic: 'orders', times: 1 }))
    expect(tooMany.message).toBe(`\
Expected 1 send with topic 'orders'; there were 2.
  +0s  orders, body 'order 1' (ID)
  +0s  orders, body 'order 2' (ID)`)
    expect(tooMany).toMatchObject({ expected: { times: 1 }, actual: { times: 2 } })

    const tooFew = failureOf(() => expectMQ(mq).sent({ topic: 'invoices', times: 2 }))
    expect(tooFew.message).toContain(`there was one.\n  +0s  invoices, body 'invoice' (ID)\nThe nearest:\n`)
  })

  test('fails with what was sent when nothing should have been', async () => {
    const { mq, order } = await openShop()
    for (let i = 1; i <= 7; i++) await order({ body: `order ${i}` })
    const { message, expected, actual } = failureOf(() => expectMQ(mq).not.sent({ topic: 'orders' }))
    expect(message).toContain("Expected no send with topic 'orders'; there were 7.\n")
    expect(message).toContain("body 'order 5' (ID)\n  and 2 more")
    expect({ expected, actual }).toEqual({ expected: { times: 0 }, actual: { times: 7 } })
  })

  test('fails in an empty ledger without a word too much', async () => {
    const { mq } = await openShop()
    expect(failureOf(() => expectMQ(mq).sent()).message).toBe(
      'Expected a send; there was none.\nThe ledger holds no message.',
    )
  })

  test('does not count sends that failed, unless they are asked for', async () => {
    const { mq, send } = await openShop()
    mq.faults.failSend({ topic: 'archive', code: 'DISK_FULL' })
    await expect(send({ topic: 'archive', body: 'order 1' })).rejects.toThrow()

    expectMQ(mq).not.sent({ topic: 'archive' })
    expectMQ(mq).sent({ topic: 'archive', outcome: 'failed' })
    expectMQ(mq).sent({ topic: 'archive', outcome: ['stored', 'failed'] })
    const { message, expected, actual } = failureOf(() => expectMQ(mq).sent({ topic: 'archive' }))
    expect(message).toMatch(/^Expected a send with topic 'archive'; there was none\.\n/)
    expect(message).toContain("outcome is 'failed with DISK_FULL', not [ 'stored', 'pending' ]")
    expect({ expected, actual }).toEqual({
      expected: { topic: 'archive', outcome: ['stored', 'pending'] },
      actual: { topic: 'archive', outcome: 'failed with DISK_FULL' },
    })
  })

  test('counts sends of which nothing is known yet', async () => {
    const { mq, send } = await openShop()
    await send({ topic: 'archive', body: 'order 0' })
    mq.ledger.clear()
    const sending = send({ topic: 'archive', body: 'order 1' })
    expectMQ(mq).sent({ topic: 'archive' })
    expectMQ(mq).sent({ outcome: 'pending' })
    await sending
    expectMQ(mq).not.sent({ outcome: 'pending' })
  })
})

describe('What became of a message in a group', () => {
  test('can be said of a message by its id, one thing after the other', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'flaky', body: 'order 1' })
    await mq.clock.advance('10s')
    expectMQ(mq)
      .message(messageId)
      .deliveredTo('billing', { times: 2 })
      .retried('billing')
      .retried('billing', { times: 1 })
      .consumedBy('billing', { times: 1 })
      .not.deadLettered('billing')
      .consumedBy('billing')
  })

  test('can be said of the messages that a matcher means, taken together', async () => {
    const { mq, order, send } = await openShop()
    await order({ keys: 'o-1', body: 'order 1' })
    await order({ keys: 'o-1', tag: 'flaky', body: 'order 2' })
    await send({ topic: 'invoices', keys: 'o-1', body: 'invoice' })
    await mq.clock.advance('10s')
    expectMQ(mq)
      .message({ keys: 'o-1' })
      .consumedBy('billing')
      .consumedBy('billing', { times: 2 })
      .deliveredTo('billing', { times: 3 })
      .not.consumedBy('billing', { times: 1 })
      .deadLettered('billing', { times: 0 })
  })

  test('is told as a timeline with virtual times when it is otherwise', async () => {
    const { mq, order } = await openShop()
    await order({ tag: 'flaky', keys: 'o-1', body: 'order 1' })
    await mq.clock.advance('10s')
    const failure = failureOf(() => expectMQ(mq).message({ keys: 'o-1' }).retried('billing', { times: 2 }))
    expect(failure.message.replace(/queue \d/, 'queue N')).toBe(`\
Expected 'billing' to have retried a message with keys 'o-1', 2 times; it did 1 time.
orders, tag 'flaky', keys 'o-1', body 'order 1' (ID)
  +0s   sent by 'shop'
  +0s   stored in queue N at offset 0, SEND_OK
  +0s   delivered to 'billing' (billing-1), attempt 1
  +0s   failed in 'billing': Error: no customer
  +0s   retry 1 of 'billing' scheduled for +10s
  +10s  delivered to 'billing' (billing-1), attempt 2
  +10s  acknowledged by 'billing'`)
    expect(failure).toMatchObject({ operator: 'retried', expected: { times: 2 }, actual: { times: 1 } })
  })

  test('is told of the messages that it is about, the guilty first, and only of some when there are many', async () => {
    const { mq, order } = await openShop()
    for (let i = 1; i <= 4; i++) await order({ body: `order ${i}` })
    await order({ tag: 'broken', body: 'order 5' })
    await mq.clock.rest()
    const orders = expectMQ(mq).message({ topic: 'orders' })

    const { message, expected, actual } = failureOf(() => orders.consumedBy('billing', { times: 5 }))
    expect(message).toContain(
      "Expected 'billing' to have consumed a message with topic 'orders', 5 times; it did 4 times.\norders, tag 'broken'",
    )
    expect(message).toMatch(/body 'order 2'[\s\S]*\nand 2 more$/)
    expect({ expected, actual }).toEqual({ expected: { times: 5 }, actual: { times: 4 } })

    const negated = failureOf(() => orders.not.retried('billing'))
    expect(negated.message).toContain(
      "Expected 'billing' not to have retried a message with topic 'orders'; it did 1 time.\norders, tag 'broken'",
    )
    expect(negated).toMatchObject({ expected: { times: 0 }, actual: { times: 1 } })
    expect(failureOf(() => orders.not.retried('billing', { times: 1 }))).toMatchObject({
      expected: { times: 'not 1' },
    })
  })

  test('says why a dead letter is another one than expected', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'broken', body: 'order 1' })
    await mq.clock.advance('2h')
    const message = expectMQ(mq).message(messageId)
    message
      .deadLettered('billing')
      .deadLettered('billing', { reason: 'no customer' })
      .deadLettered('billing', { reason: /^Error: no/, reconsumeTimes: 3 })
      .not.deadLettered('billing', { reason: 'no stock' })
      .not.deadLettered('billing', { reconsumeTimes: 2 })
      .not.deadLettered('shipping')

    const failure = failureOf(() => message.deadLettered('billing', { reason: 'no stock' }))
    expect(failure.message).toContain(
      " with reason 'no stock'; it did after 3 failures with reason 'Error: no customer'.\n",
    )
    expect(failure).toMatchObject({
      expected: { reason: 'no stock', reconsumeTimes: 3 },
      actual: { reason: 'Error: no customer', reconsumeTimes: 3 },
    })
    const counted = failureOf(() => message.not.deadLettered('billing', { reason: 'no customer' }))
    expect(counted.message).toContain(' not to have dead-lettered the message ID with reason ')
    expect(counted).toMatchObject({ expected: { times: 0 }, actual: { times: 1 } })
    expect(failureOf(() => message.deadLettered('shipping')).message).toContain('; it never did.\n')
  })

  test('says what may still come', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'flaky', body: 'order 1' })
    await mq.clock.advance('4s')
    const { message } = failureOf(() => expectMQ(mq).message(messageId).consumedBy('billing'))
    expect(message).toMatch(/ The clock stands at \+4s: that retry is not due yet\.$/)
  })

  test('says that a listener has not settled, and who got messages when a group got none', async () => {
    const { mq, order } = await openShop({ patienceMs: 0 })
    const answer = new Signal()
    await mq.createPushConsumer({
      group: 'shipping',
      subscriptions: { orders: '*' },
      listener: () => answer.promise,
    })
    const { messageId } = await order({ body: 'order 1' })
    await mq.clock.rest()
    const message = expectMQ(mq).message(messageId)
    expect(failureOf(() => message.consumedBy('shipping')).message).toMatch(/has not settled yet\.$/)
    expect(failureOf(() => message.consumedBy('biling')).message).toMatch(
      /No message was delivered to 'biling'; groups that got any: billing, shipping\.$/,
    )
    answer.resolve()
  })

  test('cannot be said of a message that is not there, neither that it is so nor that it is not', async () => {
    const { mq, order } = await openShop()
    await order({ body: 'order 1' })
    await mq.clock.rest()
    for (const message of [
      expectMQ(mq).message({ topic: 'order' }),
      expectMQ(mq).message({ topic: 'order' }).not,
    ]) {
      const failure = failureOf(() => message.consumedBy('billing'))
      expect(failure.message).toMatch(
        /there is no such message\.\nThe nearest:\n.*'order 1'.*\n.*topic is 'orders'/,
      )
      expect(failure).toMatchObject({ expected: { topic: 'order' }, actual: { topic: 'orders' } })
    }
  })

  test('is known of messages whose sender was told that they failed', async () => {
    const { mq, order } = await openShop()
    mq.faults.loseReceipt({ topic: 'orders' })
    await expect(order({ keys: 'o-1', body: 'order 1' })).rejects.toThrow()
    await mq.clock.rest()
    expectMQ(mq).message({ keys: 'o-1' }).consumedBy('billing').not.retried('billing')
    expectMQ(mq).message({ keys: 'o-1', outcome: 'stored' }).deliveredTo('billing')
    expectMQ(mq).sent({ keys: 'o-1', times: 1 })
  })

  test('can be denied of all messages when there is none', async () => {
    const { mq } = await openShop()
    expectMQ(mq).message({}).not.deadLettered('billing')
    expect(failureOf(() => expectMQ(mq).message({}).consumedBy('billing')).message).toBe(
      "Expected 'billing' to have consumed a message; there is no such message.\nThe ledger holds no message.",
    )
  })

  test('is known of messages that were stored before a fork, by what they carry', async () => {
    const { mq, order } = await openShop()
    await order({ tag: 'flaky', keys: 'o-1', properties: { region: 'eu' }, body: '{"amount":7}' })
    await mq.clock.rest()
    const fork = await mq.fork()
    await fork.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    await fork.clock.advance('10s')
    expectMQ(fork)
      .message({
        topic: 'orders',
        keys: 'o-1',
        tag: 'flaky',
        properties: { region: 'eu' },
        json: { amount: 7 },
      })
      .consumedBy('billing', { times: 1 })
    expectMQ(fork).not.sent()
    await fork.close()
  })

  test('is told of a long life by its beginning and its end', async () => {
    const { mq } = await openShop()
    await mq.createPushConsumer({
      group: 'archive',
      subscriptions: { letters: '*' },
      listener: () => {
        throw new Error('no room')
      },
    })
    const producer = await mq.createProducer({ group: 'post' })
    await producer.send({ topic: 'letters', body: 'letter' })
    await mq.clock.advance('5h')
    const { message } = failureOf(() => expectMQ(mq).message({ topic: 'letters' }).consumedBy('archive'))
    expect(message).toMatch(/\n {2}\(\d+ more\)\n/)
    expect(message).toMatch(/\+4h45m40s +dead-lettered by 'archive' after 17 failures: Error: no room$/)
  })
})

describe('An assertion', () => {
  test('begins its stack where the test called it', async () => {
    const { mq } = await openShop()
    const [, first] = failureOf(() => expectMQ(mq).sent()).stack?.split(/\n +at /) ?? []
    expect(first).toContain('expect-mq.test.ts')
  })

  test('names the seed when chance had a part in it', async () => {
    const { mq } = await openShop({ schedule: 'nasty', seed: 77 })
    expect(failureOf(() => expectMQ(mq).sent()).message).toContain('seed 77 replays it')
    const { mq: calm } = await openShop({ seed: 77 })
    expect(failureOf(() => expectMQ(calm).sent()).message).not.toContain('77')
    calm.faults.failSend({ topic: 'invoices', probability: 0.5 })
    expect(failureOf(() => expectMQ(calm).sent()).message).toContain('seed 77 replays it')
  })

  test.each([
    [{ topics: 'orders' }, "SendMatcher: unknown option 'topics'. Did you mean 'topic'?"],
    [{ key: 'o-1' }, "Did you mean 'keys'?"],
    [{ topic: 7 }, 'SendMatcher, topic: expected a string, a RegExp or a function, not 7.'],
    [{ body: {} }, 'SendMatcher, body: expected a string, bytes, a RegExp or a function, not an object.'],
    [{ times: -1 }, 'SendMatcher, times: '],
    [{ outcome: 'lost' }, 'SendMatcher, outcome: '],
    [7, 'SendMatcher: expected object, not 7.'],
  ])('refuses the matcher %j', async (matcher, text) => {
    const { mq } = await openShop()
    const { code, message } = refusal(() => expectMQ(mq).sent(matcher as never))
    expect({ code, message }).toEqual({ code: 'INVALID_PARAMETER', message: expect.stringContaining(text) })
  })

  test('refuses what is no test instance, no group and no option', async () => {
    const { mq } = await openShop()
    const refused = [
      () => expectMQ(undefined as never),
      () => expectMQ({} as never),
      () => expectMQ(mq).message({ times: 2 } as never),
      () => expectMQ(mq).message({}).consumedBy('no spaces'),
      () =>
        expectMQ(mq)
          .message({})
          .consumedBy('billing', { time: 1 } as never),
      () =>
        expectMQ(mq)
          .message({})
          .deadLettered('billing', { because: 'x' } as never),
    ]
    for (const call of refused) expect(refusal(call).code).toBe('INVALID_PARAMETER')
  })
})

describe('recalled, committed and rolledBack', () => {
  const openEnds = async () => {
    const mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop', transactionChecker: () => 'UNKNOWN' })
    const deliveryTimestamp = mq.clock.now() + 60_000
    const send = (key: string) => producer.send({ topic: 'orders', keys: key, body: 'x', deliveryTimestamp })
    const half = async (key: string) => {
      const transaction = producer.beginTransaction()
      await producer.send({ topic: 'orders', keys: key, body: 'x' }, { transaction })
      return transaction
    }
    await producer.recall('orders', (await send('taken')).recallHandle)
    await send('kept')
    await (await half('done')).commit()
    await (await half('undone')).rollback()
    return mq
  }

  test('tell how a delay and a transaction ended', async () => {
    await using mq = await openEnds()
    const message = (keys: string) => expectMQ(mq).message({ keys })
    message('taken').recalled().not.committed().not.rolledBack()
    message('kept').not.recalled()
    message('done').committed().not.rolledBack()
    message('undone').rolledBack().not.committed()
  })

  test('say what they missed, or what there should not be', async () => {
    await using mq = await openEnds()
    const message = (keys: string) => expectMQ(mq).message({ keys })
    expect(failureOf(() => message('kept').recalled()).message).toContain(
      "Expected a message with keys 'kept' to have been recalled; it never was.",
    )
    expect(failureOf(() => message('done').not.committed()).message).toContain(
      "Expected a message with keys 'done' not to have been committed; it was 1 time.",
    )
    expect(failureOf(() => message('lost').rolledBack()).message).toContain('there is no such message')
  })
})
