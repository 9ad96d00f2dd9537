import { describe, expect, test } from 'vitest'
import { Permission } from '../../src/model/topic.ts'
import type { TransactionCheck } from '../../src/model/transaction-verbs.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'
import { openShop } from './set-up.ts'
import {
  CHECK_MAX,
  commit,
  halfCount,
  INTERVAL_MS,
  join,
  rollback,
  sendHalf,
  stored,
  TIMEOUT_MS,
  texts,
} from './transaction-set-up.ts'

const CHECK_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'
const HOUR_MS = 3_600_000

describe('A check', () => {
  test('comes after 6 s, then every 30 s, 15 times', async () => {
    const shop = await openShop()
    const answerer = join(shop)
    await sendHalf(shop)
    await shop.clock.advance(TIMEOUT_MS - 1)
    expect(answerer.asked).toEqual([])
    await shop.clock.advance(1)
    expect(answerer.asked).toHaveLength(1)
    await shop.clock.advance(HOUR_MS)
    const schedule = Array.from({ length: CHECK_MAX }, (_, index) => TIMEOUT_MS + index * INTERVAL_MS)
    expect(answerer.askedAtMs).toEqual(schedule)
  })

  test('follows the settings', async () => {
    const settings = { transactionTimeOutMs: 1, transactionCheckIntervalMs: 70, transactionCheckMax: 3 }
    const shop = await openShop(settings)
    const answerer = join(shop)
    await sendHalf(shop)
    await shop.clock.advance(HOUR_MS)
    expect(answerer.askedAtMs).toEqual([1, 71, 141])
    expect(await texts(shop, CHECK_TOPIC)).toHaveLength(1)
  })

  test('shows the message as it was sent, and its transaction', async () => {
    const shop = await openShop()
    const ids: string[] = []
    const answerer = join(shop, async (_, id) => {
      ids.push(id)
      return 'COMMIT'
    })
    const half = await sendHalf(shop, {
      tag: 'paid',
      keys: ['o-42'],
      properties: { region: 'eu' },
      body: 'order 42',
    })
    await shop.clock.advance(TIMEOUT_MS)
    expect(ids).toEqual([half.transactionId])
    expect(answerer.asked).toMatchObject([
      {
        messageId: half.messageId,
        topic: 'orders',
        tag: 'paid',
        keys: ['o-42'],
        properties: { region: 'eu' },
        queue: shop.queue(),
        queueOffset: -1,
      },
    ])
    expect(answerer.texts).toEqual(['order 42'])
  })

  test('answered by COMMIT ends the transaction', async () => {
    const shop = await openShop()
    const answerer = join(shop, 'COMMIT')
    const half = await sendHalf(shop, { body: 'order 1' })
    await shop.clock.advance(TIMEOUT_MS)
    expect(await texts(shop)).toEqual(['order 1'])
    await commit(shop, half)
    await expect(rollback(shop, half)).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was committed'))
    await shop.clock.advance(HOUR_MS)
    expect(answerer.asked).toHaveLength(1)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('answered by ROLLBACK ends the transaction', async () => {
    const shop = await openShop()
    const answerer = join(shop, 'ROLLBACK')
    const half = await sendHalf(shop)
    await shop.clock.advance(HOUR_MS)
    expect(answerer.asked).toHaveLength(1)
    await expect(commit(shop, half)).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was rolled back'))
    expect(await texts(shop)).toEqual([])
    expect(halfCount(shop)).toBe(0)
  })

  const noAnswers: [string, TransactionCheck][] = [
    ['rejects', () => Promise.reject(new Error('no database'))],
    [
      'throws',
      () => {
        throw new Error('no database')
      },
    ],
    ['hangs', () => new Promise(() => undefined)],
  ]
  test.each(noAnswers)('that %s is made again', async (_, check) => {
    const shop = await openShop()
    const answerer = join(shop, check)
    const half = await sendHalf(shop, { body: 'order 1' })
    await shop.clock.advance(TIMEOUT_MS + 2 * INTERVAL_MS)
    expect(answerer.asked).toHaveLength(3)
    await commit(shop, half)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('answered late ends the transaction, if nothing else did', async () => {
    const shop = await openShop()
    const answers: ((resolution: 'COMMIT') => void)[] = []
    join(shop, () => new Promise((resolve) => void answers.push(resolve)))
    await sendHalf(shop, { body: 'order 1' })
    await shop.clock.advance(TIMEOUT_MS + INTERVAL_MS)
    expect(answers).toHaveLength(2)
    for (const answer of answers) answer('COMMIT')
    await shop.clock.advance(HOUR_MS)
    expect(await texts(shop)).toEqual(['order 1'])
    expect(answers).toHaveLength(2)
  })

  test('whose end cannot be stored is told, and made again', async () => {
    const shop = await openShop()
    const answerer = join(shop, 'COMMIT')
    await sendHalf(shop, { body: 'order 1' })
    const { parking } = shop.store
    const end = parking.end.bind(parking)
    parking.end = () => Promise.reject(new Error('the disk is tired'))
    await shop.clock.advance(TIMEOUT_MS)
    expect(shop.events('error')).toMatchObject([{ message: expect.stringContaining('the disk is tired') }])
    parking.end = end
    await shop.clock.advance(INTERVAL_MS)
    expect(answerer.asked).toHaveLength(2)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('of several halves asks about each', async () => {
    const shop = await openShop()
    const answerer = join(shop, async (message) => (message.text() === 'b' ? 'ROLLBACK' : 'COMMIT'))
    for (const body of ['a', 'b', 'c']) await sendHalf(shop, { body })
    await shop.clock.advance(TIMEOUT_MS)
    expect(answerer.texts).toEqual(['a', 'b', 'c'])
    expect((await texts(shop)).sort()).toEqual(['a', 'c'])
  })
})

describe('A transaction that nobody knows about', () => {
  test('is given up after the last check: parked, told, and delivered to nobody', async () => {
    const shop = await openShop()
    join(shop)
    const half = await sendHalf(shop, { body: 'order 42', tag: 'paid', properties: { region: 'eu' } })
    await shop.clock.advance(TIMEOUT_MS + CHECK_MAX * INTERVAL_MS - 1)
    expect(halfCount(shop)).toBe(1)
    expect(shop.events('warning')).toEqual([])
    await shop.clock.advance(1)

    expect([halfCount(shop), shop.broker.transactions.openCount]).toEqual([0, 0])
    expect(await texts(shop)).toEqual([])
    const [parked] = await stored(shop, CHECK_TOPIC)
    expect(parked).toMatchObject({
      messageId: half.messageId,
      topic: CHECK_TOPIC,
      tag: 'paid',
      properties: {
        region: 'eu',
        PGROUP: 'producers',
        REAL_TOPIC: 'orders',
        REAL_QID: '0',
        TRANSACTION_CHECK_TIMES: '15',
      },
    })
    expect(parked?.text()).toBe('order 42')
    const told = expect.stringMatching(
      new RegExp(`'producers'.*${half.messageId}.*'orders'.*15 checks.*${CHECK_TOPIC}`),
    )
    expect(shop.events('warning')).toEqual([{ code: 'TRANSACTION_GIVEN_UP', message: told }])
  })

  test('can neither be committed nor rolled back any more', async () => {
    const shop = await openShop({ transactionCheckMax: 1 })
    const half = await sendHalf(shop)
    await shop.clock.advance(HOUR_MS)
    const refused = mqError('ILLEGAL_OPERATION', 'it was given up after its last check')
    await expect(commit(shop, half)).rejects.toThrow(refused)
    await expect(rollback(shop, half)).rejects.toThrow(refused)
    expect(await texts(shop)).toEqual([])
  })

  test('goes to a topic that nobody may read or write', async () => {
    const shop = await openShop({ transactionCheckMax: 1 })
    await sendHalf(shop)
    await shop.clock.advance(HOUR_MS)
    const topics = await shop.broker.queryTopics()
    expect(topics.find(({ topic }) => topic === CHECK_TOPIC)).toMatchObject({
      permission: Permission.NONE,
      readQueueNums: 1,
    })
    await shop.join({ topics: { [CHECK_TOPIC]: '*' } })
    await expect(shop.pull({ queue: shop.queue(CHECK_TOPIC) })).rejects.toThrow(mqError('NO_PERMISSION'))
    await expect(shop.send({ topic: CHECK_TOPIC })).rejects.toThrow(mqError('NO_PERMISSION'))
  })

  test('is answered at the last moment: the answer counts until it is given up', async () => {
    const shop = await openShop({ transactionCheckMax: 1 })
    const answer = new Signal<'COMMIT'>()
    join(shop, () => answer.promise)
    await sendHalf(shop, { body: 'order 1' })
    await shop.clock.advance(TIMEOUT_MS + INTERVAL_MS - 1)
    answer.resolve('COMMIT')
    await shop.clock.advance(HOUR_MS)
    expect(await texts(shop)).toEqual(['order 1'])
    expect(shop.events('warning')).toEqual([])
  })
})

describe('Who is asked', () => {
  test('is one producer of the group, the next one each time', async () => {
    const shop = await openShop()
    const [a, b, c] = [join(shop), join(shop), join(shop)]
    await sendHalf(shop)
    await shop.clock.advance(TIMEOUT_MS + 3 * INTERVAL_MS)
    expect([a, b, c].map(({ asked }) => asked.length)).toEqual([2, 1, 1])
  })

  test('is another producer when the sender is gone', async () => {
    const shop = await openShop()
    const [sender, other] = [join(shop, 'ROLLBACK'), join(shop, 'COMMIT')]
    await sendHalf(shop, { body: 'order 1' })
    sender.leave()
    await shop.clock.advance(TIMEOUT_MS)
    expect([sender.asked.length, other.asked.length]).toEqual([0, 1])
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('is no producer of another group', async () => {
    const shop = await openShop()
    const stranger = join(shop, 'COMMIT', 'strangers')
    await sendHalf(shop)
    await shop.clock.advance(HOUR_MS)
    expect(stranger.asked).toEqual([])
    expect(await texts(shop)).toEqual([])
  })

  test('is the first who comes, at once, when nobody was there; the check counted all the same', async () => {
    const shop = await openShop()
    await sendHalf(shop, { body: 'a' })
    await sendHalf(shop, { body: 'b' })
    await shop.clock.advance(TIMEOUT_MS + INTERVAL_MS)
    const late = join(shop)
    await shop.clock.advance(0)
    expect(late.texts).toEqual(['a', 'b'])
    await shop.clock.advance(HOUR_MS)
    expect(late.askedAtMs.filter((ms) => ms > 0)).toHaveLength(2 * (CHECK_MAX - 2))
  })

  test('is asked about hundreds that waited, each once', async () => {
    const shop = await openShop()
    const bodies = Array.from({ length: 300 }, (_, index) => String(index))
    for (const body of bodies) await sendHalf(shop, { body })
    await shop.clock.advance(TIMEOUT_MS)
    const late = join(shop, 'COMMIT')
    await shop.clock.advance(0)
    expect(late.texts).toEqual(bodies)
    expect((await texts(shop)).length).toBe(300)
  })

  test('leaves while hundreds are asked about: the rest waits for the next one', async () => {
    const shop = await openShop()
    for (let i = 0; i < 300; i++) await sendHalf(shop, { body: String(i) })
    await shop.clock.advance(TIMEOUT_MS)
    const first = join(shop, async () => {
      first.leave()
      return 'COMMIT'
    })
    await shop.clock.advance(0)
    expect(first.asked.length).toBeLessThan(300)
    const second = join(shop, 'COMMIT')
    await shop.clock.advance(0)
    expect(first.asked.length + second.asked.length).toBe(300)
    expect((await texts(shop)).length).toBe(300)
  })

  test('is nobody about what ended while it waited', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop)
    await shop.clock.advance(TIMEOUT_MS)
    await rollback(shop, half)
    const late = join(shop, 'COMMIT')
    await shop.clock.advance(HOUR_MS)
    expect(late.asked).toEqual([])
    expect(await texts(shop)).toEqual([])
  })

  test('two with the same name are two', async () => {
    const shop = await openShop()
    const asked: string[] = []
    const answerAs = (name: string): (() => void) =>
      shop.broker.transactions.answerChecks('producers', 'same', async () => {
        asked.push(name)
        return 'UNKNOWN'
      })
    answerAs('a')
    const leaveB = answerAs('b')
    await sendHalf(shop)
    await shop.clock.advance(TIMEOUT_MS + INTERVAL_MS)
    leaveB()
    leaveB()
    await shop.clock.advance(INTERVAL_MS)
    expect(asked).toEqual(['a', 'b', 'a'])
  })
})
