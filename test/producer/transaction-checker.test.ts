import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import type { Message, MessageView } from '../../src/model/message.ts'
import { TransactionResolution } from '../../src/model/transaction.ts'
import type { Producer } from '../../src/producer/producer.ts'
import type { TransactionChecker } from '../../src/producer/transactions.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { Signal } from '../helpers/signal.ts'

const order: Message = { topic: 'orders', body: 'a book' }
const { COMMIT, UNKNOWN } = TransactionResolution
const TIMEOUT_MS = 6000
const INTERVAL_MS = 30_000

function payer(host: ClientHost, checker: TransactionChecker): Promise<Producer> {
  return host.producer({ group: 'pay', transactionChecker: checker })
}

/** How many messages are visible. */
function visibleCount(host: ClientHost): Promise<number> {
  return host.broker.maxOffset(host.queue())
}

describe('A checker', () => {
  test('is given the message and its transaction', async () => {
    const host = await openShop()
    const asked: [MessageView, string][] = []
    const producer = await payer(host, (message, id) => {
      asked.push([message, id])
      return COMMIT
    })
    const { transactionId } = await producer.sendInTransaction(order, () => UNKNOWN)
    await host.clock.advance(TIMEOUT_MS)
    expect(asked.map(([message, id]) => [message.text(), message.messageId, id])).toEqual([
      ['a book', transactionId, transactionId],
    ])
  })

  const troubles: [string, () => unknown, string][] = [
    ['answers nonsense', () => true, 'neither COMMIT, ROLLBACK nor UNKNOWN'],
    ['rejects', () => Promise.reject(new Error('no database')), 'no database'],
    [
      'throws',
      () => {
        throw new Error('no database')
      },
      'no database',
    ],
  ]
  test.each(troubles)('that %s is asked again, and it is told', async (_, check, text) => {
    const host = await openShop()
    const producer = await payer(host, check as TransactionChecker)
    await producer.sendInTransaction(order, () => UNKNOWN)
    await host.clock.advance(TIMEOUT_MS + INTERVAL_MS)
    const told = expect.objectContaining({ message: expect.stringContaining(text) })
    expect(host.events('error')).toEqual([told, told])
    expect(host.store.alarms.size).toBe(1)
  })

  test.each([[undefined], [null]])('that answers %s is asked again', async (answer) => {
    const host = await openShop()
    const answers: unknown[] = [answer, COMMIT]
    const producer = await payer(host, () => answers.shift() as 'COMMIT')
    await producer.sendInTransaction(order, () => UNKNOWN)
    await host.clock.advance(TIMEOUT_MS)
    expect(await visibleCount(host)).toBe(0)
    await host.clock.advance(INTERVAL_MS)
    expect(await visibleCount(host)).toBe(1)
    expect(host.events('error')).toEqual([])
  })

  test('of a closed producer is asked no more; another one of the group is', async () => {
    const host = await openShop()
    const asked: string[] = []
    const answerAs =
      (name: string): TransactionChecker =>
      () => {
        asked.push(name)
        return UNKNOWN
      }
    const [gone] = [await payer(host, answerAs('gone')), await payer(host, answerAs('there'))]
    await gone.sendInTransaction(order, () => UNKNOWN)
    await gone.close()
    await host.clock.advance(TIMEOUT_MS + INTERVAL_MS)
    expect(asked).toEqual(['there', 'there'])
  })

  test('that answers after its producer was closed is heard', async () => {
    const host = await openShop()
    const answer = new Signal<'COMMIT'>()
    const producer = await payer(host, () => answer.promise)
    await producer.sendInTransaction(order, () => UNKNOWN)
    await host.clock.advance(TIMEOUT_MS)
    await producer.close()
    answer.resolve(COMMIT)
    await host.clock.advance(0)
    expect(await visibleCount(host)).toBe(1)
  })

  test('of a producer that could not start is never asked', async () => {
    const host = await openShop()
    const sender = await payer(host, () => UNKNOWN)
    await sender.sendInTransaction(order, () => UNKNOWN)
    await sender.close()
    await host.clock.advance(TIMEOUT_MS)
    let askedCount = 0
    const closed = new MQError('CLOSED', 'The instance is closed.')
    host.replace({ registerProducer: () => Promise.reject(closed) })
    const starting = payer(host, () => {
      askedCount += 1
      return COMMIT
    })
    await expect(starting).rejects.toThrow(closed)
    await host.clock.advance(3_600_000)
    expect(askedCount).toBe(0)
  })
})
