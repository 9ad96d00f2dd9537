/** Transactions in a test instance: what the ledger holds, what `explain` says, and what `settled` waits for. */
import { describe, expect, test } from 'vitest'
import type { TransactionChecker } from '../../src/producer/transactions.ts'
import { createTestMQ, expectMQ, explore, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const order = { topic: 'orders', body: 'order 1' }
/** Real time that `settled` is given where it must not succeed. */
const SHORT_MS = 20

function payer(mq: TestMQ, transactionChecker: TransactionChecker) {
  return mq.createProducer({ group: 'pay', transactionChecker })
}

const endsOf = (mq: TestMQ): string[] =>
  mq.ledger.entries
    .filter(({ type }) => type === 'committed' || type === 'rolled-back')
    .map(({ type, messageId }) => `${type} ${messageId}`)

describe('The ledger', () => {
  test('holds a transaction from its half to its end', async () => {
    await using mq = await createTestMQ()
    const producer = await payer(mq, () => 'UNKNOWN')
    const { transactionId } = await producer.sendInTransaction(order, () => 'COMMIT')
    const { transactionId: dropped } = await producer.sendInTransaction(order, () => 'ROLLBACK')
    const message = { topic: 'orders', messageId: transactionId }
    expect(mq.ledger.history(transactionId)).toMatchObject([
      { type: 'sent', ...message, producerGroup: 'pay' },
      { type: 'stored', ...message, queueOffset: -1 },
      { type: 'committed', ...message, producerGroup: 'pay' },
    ])
    expect(endsOf(mq)).toEqual([`committed ${transactionId}`, `rolled-back ${dropped}`])
  })

  test('holds an end that a check asked for, once', async () => {
    await using mq = await createTestMQ()
    const producer = await payer(mq, (message) => (message.text() === 'order 1' ? 'COMMIT' : 'ROLLBACK'))
    const first = await producer.sendInTransaction(order, () => 'UNKNOWN')
    const second = await producer.sendInTransaction({ ...order, body: 'order 2' }, () => 'UNKNOWN')
    await mq.clock.advance('1h')
    expect(endsOf(mq).sort()).toEqual(
      [`committed ${first.transactionId}`, `rolled-back ${second.transactionId}`].sort(),
    )
    expect(mq.ledger.of('committed')).toMatchObject([{ topic: 'orders', producerGroup: 'pay' }])
  })

  test('holds no end twice when sender and check say the same', async () => {
    await using mq = await createTestMQ()
    const answer = new Signal<'COMMIT'>()
    const producer = await payer(mq, () => answer.promise)
    const transaction = producer.beginTransaction()
    await producer.send(order, { transaction })
    const moving = mq.clock.advance('6s')
    await expect.poll(() => mq.clock.now()).toBe(Date.UTC(2027, 0, 1, 0, 0, 6))
    await transaction.commit()
    answer.resolve('COMMIT')
    await moving
    expect(endsOf(mq)).toHaveLength(1)
  })

  test('holds the end of what was begun before a crash', async () => {
    const mq = await createTestMQ()
    const before = await payer(mq, () => 'UNKNOWN')
    const { transactionId } = await before.sendInTransaction(order, () => 'UNKNOWN')
    await using reopened = await mq.crash()
    await payer(reopened, () => 'COMMIT')
    await reopened.clock.advance('6s')
    expect(endsOf(reopened)).toEqual([`committed ${transactionId}`])
  })

  test('holds nothing of an end that failed', async () => {
    await using mq = await createTestMQ()
    const producer = await payer(mq, () => 'ROLLBACK')
    mq.faults.fail('endTransaction', { code: 'SYSTEM_BUSY', times: 2 })
    const result = await producer.sendInTransaction(order, () => 'COMMIT')
    expect(result.error).toEqual(mqError('SYSTEM_BUSY'))
    await mq.clock.advance('6s')
    expect(endsOf(mq)).toHaveLength(0)
    await mq.clock.advance('30s')
    expect(endsOf(mq)).toEqual([`rolled-back ${result.transactionId}`])
  })

  test('holds a half whose receipt was lost as stored', async () => {
    await using mq = await createTestMQ()
    const producer = await payer(mq, () => 'ROLLBACK')
    mq.faults.loseReceipt({ topic: 'orders' })
    let ran = false
    const sending = producer.sendInTransaction(order, () => {
      ran = true
      return 'COMMIT'
    })
    await expect(sending).rejects.toMatchObject({ outcome: 'unknown' })
    expect(ran).toBe(false)
    expect(mq.ledger.entries.map(({ type }) => type)).toEqual(['sent', 'stored', 'send-failed'])
    await mq.clock.advance('6s')
    expect(mq.ledger.of('rolled-back')).toHaveLength(1)
  })
})

describe('explain', () => {
  test('says of a half how often was asked about it, and when it is next', async () => {
    await using mq = await createTestMQ()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    const producer = await payer(mq, () => 'UNKNOWN')
    const { transactionId } = await producer.sendInTransaction(order, () => 'UNKNOWN')
    const fresh = await mq.explain(transactionId, 'billing')
    expect(fresh.verdict).toBe('blocked')
    expect(String(fresh)).toContain("'pay' was not asked yet, the next time is 2027-01-01T00:00:06.000Z")
    await mq.clock.advance('36s')
    expect(String(await mq.explain(transactionId, 'billing'))).toContain(
      "the half of a transaction that is neither committed nor rolled back; 'pay' was asked 2 times, the next time is 2027-01-01T00:01:06.000Z",
    )
  })

  test('says that it was rolled back', async () => {
    await using mq = await createTestMQ()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    const producer = await payer(mq, () => 'UNKNOWN')
    const { transactionId } = await producer.sendInTransaction(order, () => 'ROLLBACK')
    expect(String(await mq.explain(transactionId, 'billing'))).toContain('It was rolled back at')
  })
})

describe('settled', () => {
  test('leaves halves alone, and asks about them within its horizon', async () => {
    await using mq = await createTestMQ()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    const producer = await payer(mq, () => 'COMMIT')
    const { transactionId } = await producer.sendInTransaction(order, () => 'UNKNOWN')
    await mq.settled()
    expectMQ(mq).message(transactionId).not.deliveredTo('billing')
    await mq.settled({ horizon: '6s' })
    expectMQ(mq).message(transactionId).consumedBy('billing', { times: 1 })
  })

  test('waits for a check that waits for something real', async () => {
    await using mq = await createTestMQ({ patienceMs: 1 })
    const answer = new Signal<'COMMIT'>()
    const producer = await payer(mq, () => answer.promise)
    await producer.sendInTransaction(order, () => 'UNKNOWN')
    await mq.clock.advance('6s')
    await expect(mq.settled({ deadlineMs: SHORT_MS })).rejects.toThrow(
      mqError('NOT_SETTLED', 'a transactionChecker has not answered'),
    )
    answer.resolve('COMMIT')
    await mq.settled()
    expect(mq.ledger.of('committed')).toHaveLength(1)
  })
})

test('In every legal order each transaction ends as it was decided', async () => {
  await explore({ seeds: 20 }, async (mq) => {
    const decided = new Map<string, 'COMMIT' | 'ROLLBACK'>()
    const producer = await payer(mq, (message) => decided.get(message.text()) ?? 'UNKNOWN')
    const seen: string[] = []
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: (message) => void seen.push(message.text()),
    })
    const runs = [0, 1, 2, 3, 4, 5].map((number) =>
      producer.sendInTransaction({ ...order, body: String(number) }, () => {
        const end = number % 2 === 0 ? 'COMMIT' : 'ROLLBACK'
        decided.set(String(number), end)
        return number < 2 ? 'UNKNOWN' : end
      }),
    )
    await Promise.all(runs)
    await mq.settled({ horizon: '1m' })
    expect([...new Set(seen)].sort()).toEqual(['0', '2', '4'])
    expect(mq.ledger.of('committed')).toHaveLength(3)
    expect(mq.ledger.of('rolled-back')).toHaveLength(3)
  })
})
