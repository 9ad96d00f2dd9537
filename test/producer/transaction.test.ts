import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import type { Message } from '../../src/model/message.ts'
import { overlay } from '../../src/model/overlay.ts'
import { TransactionResolution } from '../../src/model/transaction.ts'
import type { HalfReceipt, TransactionVerbs } from '../../src/model/transaction-verbs.ts'
import type { Producer } from '../../src/producer/producer.ts'
import type { Transaction } from '../../src/producer/transaction.ts'
import type { LocalTransaction, TransactionChecker } from '../../src/producer/transactions.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const order: Message = { topic: 'orders', body: 'a book' }
const { COMMIT, ROLLBACK, UNKNOWN } = TransactionResolution
const TIMEOUT_MS = 6000

function payer(host: ClientHost, checker: TransactionChecker = () => UNKNOWN): Promise<Producer> {
  return host.producer({ group: 'pay', transactionChecker: checker })
}

/** How many messages are visible. */
function visibleCount(host: ClientHost): Promise<number> {
  return host.broker.maxOffset(host.queue())
}

/** Puts verbs in the place of the broker's. */
function replaceVerbs(host: ClientHost, verbs: Partial<TransactionVerbs>): void {
  const { transactions } = host.broker
  host.replace({
    transactions: {
      sendHalfMessage: (request) => transactions.sendHalfMessage(request),
      endTransaction: (...parameters) => transactions.endTransaction(...parameters),
      answerChecks: (...parameters) => transactions.answerChecks(...parameters),
      ...verbs,
    },
  })
}

describe('A transaction', () => {
  test('shows its message when it is committed', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    expect(transaction.transactionId).toBeUndefined()
    const { messageId } = await producer.send(order, { transaction })
    expect(transaction.transactionId).toBe(messageId)
    expect(await visibleCount(host)).toBe(0)
    await transaction.commit()
    const stored = await host.broker.viewMessage(host.queue(), 0)
    expect([stored.messageId, stored.text()]).toEqual([messageId, 'a book'])
  })

  test('drops its message when it is rolled back', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    await producer.send(order, { transaction })
    await transaction.rollback()
    await host.clock.advance(3_600_000)
    expect(await visibleCount(host)).toBe(0)
  })

  test('ends once: again in the same way is the same, in the other way is refused', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    await producer.send(order, { transaction })
    await Promise.all([transaction.commit(), transaction.commit()])
    await transaction.commit()
    await expect(transaction.rollback()).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'COMMIT already'))
    expect(await visibleCount(host)).toBe(1)
  })

  test('takes one message', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    const first = producer.send(order, { transaction })
    const second = producer.send(order, { transaction })
    await expect(second).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'its message already'))
    await first
    await transaction.commit()
    await expect(producer.send(order, { transaction })).rejects.toThrow(mqError('ILLEGAL_OPERATION'))
    expect(await visibleCount(host)).toBe(1)
  })

  test('has nothing to end before its message is stored', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    const nothing = mqError('ILLEGAL_OPERATION', 'no stored message; await the send first')
    await expect(transaction.commit()).rejects.toThrow(nothing)
    const sending = producer.send(order, { transaction })
    await expect(transaction.rollback()).rejects.toThrow(nothing)
    await sending
    await transaction.commit()
    expect(await visibleCount(host)).toBe(1)
  })

  test('whose send failed may be given its message again', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    const missing = { ...order, topic: '%RETRY%missing' }
    await expect(producer.send(missing, { transaction })).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
    await producer.send(order, { transaction })
    await transaction.commit()
    expect(await visibleCount(host)).toBe(1)
  })

  test('whose end failed is open, and may end in either way', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    await producer.send(order, { transaction })
    const full = new MQError('DISK_FULL', 'The disk is full.')
    replaceVerbs(host, { endTransaction: () => Promise.reject(full) })
    await expect(transaction.commit()).rejects.toThrow(mqError('DISK_FULL'))
    host.restore('transactions')
    await transaction.rollback()
    expect(await visibleCount(host)).toBe(0)
  })

  test('may be ended when its producer is closed', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    await producer.send(order, { transaction })
    await producer.close()
    await transaction.commit()
    expect(await visibleCount(host)).toBe(1)
    expect(() => producer.beginTransaction()).toThrow(mqError('CLOSED'))
  })

  test('that a check has rolled back cannot be committed', async () => {
    const host = await openShop()
    const producer = await payer(host, () => ROLLBACK)
    const transaction = producer.beginTransaction()
    await producer.send(order, { transaction })
    await host.clock.advance(TIMEOUT_MS)
    await expect(transaction.commit()).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was rolled back'))
    await transaction.rollback()
    expect(await visibleCount(host)).toBe(0)
  })
})

describe('What cannot be sent in a transaction is refused, and nothing is stored:', () => {
  const refused: [string, unknown, object, string][] = [
    ['a batch', [order], {}, 'MESSAGE_ILLEGAL'],
    ['a level', { ...order, delayTimeLevel: 3 }, {}, 'MESSAGE_ILLEGAL'],
    ['a delivery time', { ...order, deliveryTimestamp: 1 }, {}, 'MESSAGE_ILLEGAL'],
    ['a message group', { ...order, messageGroup: 'g' }, {}, 'MESSAGE_ILLEGAL'],
    ['nothing', null, {}, 'MESSAGE_ILLEGAL'],
    ['an unknown field', { ...order, priority: 'high' }, {}, 'MESSAGE_ILLEGAL'],
    [
      'a queue',
      order,
      { queue: { topic: 'orders', brokerName: 'localhost', queueId: 0 } },
      'INVALID_PARAMETER',
    ],
    ['a selector', order, { selector: (queues: readonly unknown[]) => queues[0] }, 'INVALID_PARAMETER'],
  ]
  test.each(refused)('%s', async (_, message, options, code) => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    const sending = producer.send(message as Message, { ...options, transaction })
    await expect(sending).rejects.toMatchObject({ name: 'MQError', code })
    expect(host.store.alarms.size).toBe(0)
    await producer.send(order, { transaction })
  })

  test('one-way', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const transaction = producer.beginTransaction()
    expect(() => producer.sendOneway(order, { transaction })).toThrow(
      mqError('INVALID_PARAMETER', 'not sent one-way'),
    )
  })

  test.each([[null], [{}], ['t1'], [Symbol('t')]])('as transaction %s', async (transaction) => {
    const host = await openShop()
    const producer = await payer(host)
    const options = { transaction: transaction as unknown as Transaction }
    await expect(producer.send(order, options)).rejects.toThrow(
      mqError('INVALID_PARAMETER', 'from beginTransaction of this producer'),
    )
  })

  test('in the transaction of another producer', async () => {
    const host = await openShop()
    const [one, other] = [await payer(host), await payer(host)]
    const transaction = other.beginTransaction()
    await expect(one.send(order, { transaction })).rejects.toThrow(
      mqError('INVALID_PARAMETER', 'from beginTransaction of this producer'),
    )
  })

  test('without a checker', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const needed = mqError('INVALID_PARAMETER', 'Transactions need a transactionChecker')
    expect(() => producer.beginTransaction()).toThrow(needed)
    await expect(producer.sendInTransaction(order, () => COMMIT)).rejects.toThrow(needed)
  })

  test.each([[undefined], [null], ['COMMIT']])('with %s as local transaction', async (local) => {
    const host = await openShop()
    const producer = await payer(host)
    const sending = producer.sendInTransaction(order, local as unknown as LocalTransaction)
    await expect(sending).rejects.toThrow(mqError('INVALID_PARAMETER', 'needs a function'))
    expect(host.store.alarms.size).toBe(0)
  })

  test('with a checker that is none', async () => {
    const host = await openShop()
    const checker = 'COMMIT' as unknown as TransactionChecker
    await expect(host.producer({ transactionChecker: checker })).rejects.toThrow(
      mqError('INVALID_PARAMETER', 'transactionChecker'),
    )
  })
})

describe('A local transaction', () => {
  test('runs when the half is stored, and its COMMIT shows the message', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const seen: unknown[] = []
    const result = await producer.sendInTransaction(order, async (message, receipt) => {
      seen.push(message, receipt.messageId, await visibleCount(host))
      return COMMIT
    })
    expect(seen).toEqual([order, result.transactionId, 0])
    expect(result).toEqual({
      receipt: expect.objectContaining({ status: 'SEND_OK', queueOffset: -1 }),
      transactionId: result.receipt.messageId,
      resolution: COMMIT,
    })
    expect(await visibleCount(host)).toBe(1)
  })

  test('that answers ROLLBACK drops the message', async () => {
    const host = await openShop()
    const producer = await payer(host)
    const { resolution } = await producer.sendInTransaction(order, () => ROLLBACK)
    expect(resolution).toBe(ROLLBACK)
    expect(host.store.alarms.size).toBe(0)
    expect(await visibleCount(host)).toBe(0)
  })

  const undecided: [string, () => unknown, object][] = [
    ['answers UNKNOWN', () => UNKNOWN, {}],
    ['answers nothing', () => undefined, {}],
    ['answers null', () => null, {}],
    [
      'answers nonsense',
      () => 'commit',
      { error: mqError('INVALID_PARAMETER', 'neither COMMIT, ROLLBACK nor UNKNOWN') },
    ],
    ['rejects', () => Promise.reject(new Error('no database')), { error: new Error('no database') }],
    [
      'throws',
      () => {
        throw new Error('no database')
      },
      { error: new Error('no database') },
    ],
  ]
  test.each(undecided)('that %s leaves it to the checker', async (_, local, told) => {
    const host = await openShop()
    const producer = await payer(host, () => COMMIT)
    const result = await producer.sendInTransaction(order, local as LocalTransaction)
    expect(result).toEqual({
      receipt: expect.anything(),
      transactionId: result.receipt.messageId,
      resolution: UNKNOWN,
      ...told,
    })
    expect(await visibleCount(host)).toBe(0)
    await host.clock.advance(TIMEOUT_MS)
    expect(await visibleCount(host)).toBe(1)
  })

  test('is not run when the half is not stored', async () => {
    const host = await openShop()
    const producer = await payer(host)
    let runCount = 0
    const local = (): 'COMMIT' => {
      runCount += 1
      return COMMIT
    }
    const missing = { ...order, topic: '%RETRY%missing' }
    await expect(producer.sendInTransaction(missing, local)).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
    await expect(producer.sendInTransaction({ ...order, body: '' }, local)).rejects.toThrow(
      mqError('MESSAGE_ILLEGAL'),
    )
    const nobody = undefined as unknown as Message
    await expect(producer.sendInTransaction(nobody, local)).rejects.toThrow(mqError('MESSAGE_ILLEGAL'))
    expect(runCount).toBe(0)
  })

  test('is not run when the half may be lost: it is rolled back', async () => {
    const host = await openShop()
    const { transactions } = host.broker
    replaceVerbs(host, {
      sendHalfMessage: async (request) =>
        overlay(await transactions.sendHalfMessage(request), { status: 'FLUSH_DISK_TIMEOUT' }),
    })
    const producer = await payer(host)
    let runCount = 0
    const result = await producer.sendInTransaction(order, () => {
      runCount += 1
      return COMMIT
    })
    expect([runCount, result.resolution, host.store.alarms.size]).toEqual([0, ROLLBACK, 0])
    expect(await visibleCount(host)).toBe(0)
  })

  test('whose end cannot be stored is told; the checker ends it', async () => {
    const host = await openShop()
    const producer = await payer(host, () => COMMIT)
    const full = new MQError('DISK_FULL', 'The disk is full.')
    replaceVerbs(host, { endTransaction: () => Promise.reject(full) })
    const result = await producer.sendInTransaction(order, () => COMMIT)
    expect(result).toMatchObject({ resolution: UNKNOWN, error: full })
    expect(host.events('error')).toEqual([full])
    host.restore('transactions')
    await host.clock.advance(TIMEOUT_MS)
    expect(await visibleCount(host)).toBe(1)
  })

  test.each([
    [COMMIT, ROLLBACK, 'it was rolled back', 0],
    [ROLLBACK, COMMIT, 'it was committed', 1],
  ] as const)(
    'whose %s comes behind the %s of a check has not ended so',
    async (late, checked, why, count) => {
      const host = await openShop()
      const producer = await payer(host, () => checked)
      const result = await producer.sendInTransaction(order, async () => {
        await host.clock.advance(TIMEOUT_MS)
        return late
      })
      const refusal = mqError('ILLEGAL_OPERATION', why)
      expect(result).toMatchObject({ resolution: UNKNOWN, error: refusal })
      expect(host.events('error')).toEqual([refusal])
      expect(await visibleCount(host)).toBe(count)
    },
  )

  test('that throws is told by an error event', async () => {
    const host = await openShop()
    const producer = await payer(host)
    await producer.sendInTransaction(order, () => Promise.reject(new Error('no database')))
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR', 'no database')])
  })

  test('gets the receipt of its half, which names the transaction', async () => {
    const host = await openShop()
    const producer = await payer(host)
    let seen: HalfReceipt | undefined
    const { transactionId, receipt } = await producer.sendInTransaction(order, (_, half) => {
      seen = half
      return COMMIT
    })
    expect([seen?.transactionId, receipt.transactionId]).toEqual([transactionId, transactionId])
  })

  test('that takes longer than the first check is ended by whoever is first', async () => {
    const host = await openShop()
    const producer = await payer(host, () => ROLLBACK)
    const done = new Signal<'COMMIT'>()
    const sending = producer.sendInTransaction(order, () => done.promise)
    await host.clock.advance(TIMEOUT_MS)
    done.resolve(COMMIT)
    const { error } = await sending
    expect(error).toEqual(mqError('ILLEGAL_OPERATION', 'it was rolled back'))
    expect(await visibleCount(host)).toBe(0)
  })
})

test('An engine without transactions refuses them', async () => {
  const host = await openShop()
  host.replace({ transactions: undefined as unknown as TransactionVerbs })
  const producer = await host.producer()
  expect(() => producer.beginTransaction()).toThrow(mqError('INVALID_PARAMETER'))
  await expect(payer(host)).rejects.toThrow(mqError('UNSUPPORTED', 'no transactions'))
})
