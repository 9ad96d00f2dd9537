/** Checks of transactions that did not end: when, whom, and what the answers do. */
import { strict as assert } from 'node:assert'
import type { TransactionChecker } from '../../../producer/transactions.ts'
import { eventsOf, numbers, refused, subscribe } from '../kit.ts'
import { arrived } from '../kit-delays.ts'
import {
  begin,
  CHECK_TOPIC,
  COMMIT,
  checked,
  FIRST_CHECK_MS,
  GIVEN_UP_MS,
  orphan,
  payer,
  ROLLBACK,
  UNKNOWN,
} from '../kit-transactions.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const inTime = { needs: checked } as const
const differing = { needs: checked, differs: true } as const
const reopened = { needs: [...checked, 'reopen'] } as const
const killed = { needs: [...checked, 'crash'] } as const

const times: readonly ConformanceRule[] = [
  rule('11.2', 'Nobody is asked in the first 6 s', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq)
    await begin(sender)
    await mq.advance(5999)
    assert.equal(sender.asked.length, 0)
  }),
  rule('11.2', 'The first check comes within a round behind them', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq)
    await begin(sender)
    await mq.advance(FIRST_CHECK_MS)
    assert.ok(sender.asked.length > 0)
  }),
  rule(
    '11.2',
    'It comes after 6 s, and the others every 30 s, to the millisecond',
    differing,
    async (world) => {
      const mq = await world.openShop()
      const sender = await payer(mq)
      await begin(sender)
      await mq.advance('2m')
      assert.deepEqual(sender.askedAtMs, [6000, 36_000, 66_000, 96_000])
    },
  ),
  rule('11.2', 'It is asked 15 times', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq)
    await begin(sender)
    await mq.advance(GIVEN_UP_MS)
    assert.equal(sender.asked.length, 15)
  }),
  rule('11.2', 'The settings say when, how often and how many times', inTime, async (world) => {
    const settings = {
      transactionTimeOutMs: 60_000,
      transactionCheckIntervalMs: 10_000,
      transactionCheckMax: 3,
    }
    const mq = await world.openShop(1, settings)
    const sender = await payer(mq)
    await begin(sender)
    await mq.advance(59_999)
    assert.equal(sender.asked.length, 0)
    await mq.advance('2m')
    assert.equal(sender.asked.length, 3)
  }),
  rule('11.2', 'A transaction that has ended is not asked about', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq)
    await (await begin(sender)).transaction.commit()
    await (await begin(sender)).transaction.rollback()
    await mq.advance('10m')
    assert.equal(sender.asked.length, 0)
  }),
]

function checkerRule(title: string, checker: TransactionChecker): ConformanceRule {
  return rule('11.2', `A checker that ${title} is asked again`, inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq, checker)
    const { transaction } = await begin(sender)
    await mq.advance('1m')
    assert.ok(sender.asked.length > 1)
    assert.deepEqual(await arrived(mq), [])
    await transaction.commit()
    assert.deepEqual(await arrived(mq), ['x'])
  })
}

const answers: readonly ConformanceRule[] = [
  rule('11.2', 'A checker sees the message as it was sent', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq, ROLLBACK)
    const fields = { tag: 'paid', keys: ['o-42'], properties: { region: 'eu' } }
    const { receipt } = await begin(sender, 'order 42', fields)
    await mq.advance(FIRST_CHECK_MS)
    const [message] = sender.asked
    assert.deepEqual(
      [message?.messageId, message?.topic, message?.text(), message?.tag, message?.keys],
      [receipt.messageId, 'orders', 'order 42', 'paid', ['o-42']],
    )
    assert.equal(message?.properties.region, 'eu')
  }),
  rule('11.2', 'COMMIT delivers the message, once', inTime, async (world) => {
    const mq = await world.openShop()
    const { texts } = await subscribe(mq)
    await begin(await payer(mq, COMMIT), 'order 1')
    await mq.advance('10m')
    assert.deepEqual(texts(), ['order 1'])
  }),
  rule('11.2', 'ROLLBACK drops it', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq, ROLLBACK)
    await begin(sender)
    await mq.advance('10m')
    assert.deepEqual(await arrived(mq), [])
    assert.equal(sender.asked.length, 1)
  }),
  checkerRule('answers UNKNOWN', () => UNKNOWN),
  checkerRule('answers nothing', () => undefined as unknown as typeof UNKNOWN),
  checkerRule('rejects', () => Promise.reject(new Error('no database'))),
  checkerRule('throws', () => {
    throw new Error('no database')
  }),
  checkerRule('never answers', () => new Promise(() => undefined)),
  rule('11.2', 'A checker that answers nonsense is asked again, and it is told', differing, async (world) => {
    const mq = await world.openShop()
    const errors = eventsOf(mq, 'error')
    await begin(await payer(mq, () => 'commit' as unknown as typeof COMMIT))
    await mq.advance(FIRST_CHECK_MS)
    assert.equal(errors[0]?.code, 'INVALID_PARAMETER')
    assert.deepEqual(await arrived(mq), [])
  }),
  rule(
    '11.2',
    'An end that contradicts the answer of a check before it is refused',
    differing,
    async (world) => {
      const mq = await world.openShop()
      const { transaction } = await begin(await payer(mq, ROLLBACK))
      await mq.advance(FIRST_CHECK_MS)
      await refused('ILLEGAL_OPERATION', () => transaction.commit())
      await transaction.rollback()
      assert.deepEqual(await arrived(mq), [])
    },
  ),
]

const whom: readonly ConformanceRule[] = [
  rule('11.2', 'One producer of the group is asked at a time, by turns', inTime, async (world) => {
    const mq = await world.openShop()
    const all = [await payer(mq), await payer(mq), await payer(mq)]
    await begin(all[0]!)
    await mq.advance(GIVEN_UP_MS)
    assert.deepEqual(
      all.map(({ asked }) => asked.length),
      [5, 5, 5],
    )
  }),
  rule('11.2', 'When the sender is gone, another producer of its group is asked', inTime, async (world) => {
    const mq = await world.openShop()
    await orphan(mq)
    const other = await payer(mq, COMMIT)
    await mq.advance(FIRST_CHECK_MS)
    assert.equal(other.asked.length, 1)
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('11.2', 'A producer of another group is not asked', inTime, async (world) => {
    const mq = await world.openShop()
    await orphan(mq)
    const stranger = await payer(mq, COMMIT, 'strangers')
    await mq.advance(GIVEN_UP_MS)
    assert.equal(stranger.asked.length, 0)
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('11.2', 'A producer without a checker is not asked', inTime, async (world) => {
    const mq = await world.openShop()
    await orphan(mq)
    await mq.createProducer({ group: 'pay' })
    const other = await payer(mq, COMMIT)
    await mq.advance(FIRST_CHECK_MS)
    assert.equal(other.asked.length, 1)
  }),
  rule('11.2', 'Checks count although nobody is there', inTime, async (world) => {
    const mq = await world.openShop()
    await orphan(mq)
    await mq.advance(GIVEN_UP_MS)
    const late = await payer(mq, COMMIT)
    await mq.advance(FIRST_CHECK_MS)
    assert.equal(late.asked.length, 0)
    assert.deepEqual(await arrived(mq), [])
  }),
  rule(
    '11.2',
    'The first producer that comes is asked at once about all that waited',
    differing,
    async (world) => {
      const mq = await world.openShop()
      for (const body of numbers(3)) await orphan(mq, body)
      await mq.advance('40s')
      const late = await payer(mq, COMMIT)
      await mq.rest()
      assert.equal(late.asked.length, 3)
      assert.deepEqual((await arrived(mq)).sort(), numbers(3))
    },
  ),
]

const givenUp: readonly ConformanceRule[] = [
  rule('11.2', 'What nobody knows about is delivered to nobody', inTime, async (world) => {
    const mq = await world.openShop()
    const { deliveries } = await subscribe(mq)
    await begin(await payer(mq))
    await mq.advance('1h')
    assert.equal(deliveries.length, 0)
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('11.2', 'It lies in TRANS_CHECK_MAX_TIME_TOPIC, and can be looked at', inTime, async (world) => {
    const mq = await world.openShop()
    const { receipt } = await begin(await payer(mq), 'order 42')
    await mq.advance('1h')
    assert.deepEqual(await arrived(mq, CHECK_TOPIC), ['order 42'])
    const [found] = await mq.engine.queryMessagesById(receipt.messageId)
    assert.deepEqual([found?.properties.REAL_TOPIC, found?.properties.REAL_QID], ['orders', '0'])
    assert.equal(found?.properties.TRANSACTION_CHECK_TIMES, '15')
  }),
  rule('11.2', 'A warning tells of it', differing, async (world) => {
    const mq = await world.openShop()
    const warnings = eventsOf(mq, 'warning')
    const { receipt } = await begin(await payer(mq))
    await mq.advance('1h')
    const told = warnings.filter(({ code }) => code === 'TRANSACTION_GIVEN_UP')
    assert.equal(told.length, 1)
    assert.ok(told[0]!.message.includes(receipt.messageId))
  }),
  rule('11.2', 'It can be committed no more', differing, async (world) => {
    const mq = await world.openShop()
    const { transaction } = await begin(await payer(mq))
    await mq.advance('1h')
    await refused('ILLEGAL_OPERATION', () => transaction.commit())
    assert.deepEqual(await arrived(mq), [])
  }),
]

const restarts: readonly ConformanceRule[] = [
  rule('11.2', 'A half survives a restart, and is asked about', reopened, async (world) => {
    const before = await world.openShop()
    await begin(await payer(before), 'order 1')
    const mq = await world.reopen(before)
    const sender = await payer(mq, COMMIT)
    await mq.advance(FIRST_CHECK_MS)
    assert.equal(sender.asked.length, 1)
    assert.deepEqual(await arrived(mq), ['order 1'])
  }),
  rule('11.2', 'An end survives a restart: it is not asked about', reopened, async (world) => {
    const before = await world.openShop()
    const sender = await payer(before)
    await (await begin(sender, 'committed')).transaction.commit()
    await (await begin(sender, 'dropped')).transaction.rollback()
    const mq = await world.reopen(before)
    const other = await payer(mq, COMMIT)
    await mq.advance('10m')
    assert.equal(other.asked.length, 0)
    assert.deepEqual(await arrived(mq), ['committed'])
  }),
  rule('11.2', 'Checks go on counting after a restart', reopened, async (world) => {
    const before = await world.openShop()
    const first = await payer(before)
    await begin(first)
    await before.advance('2m')
    const mq = await world.reopen(before)
    const second = await payer(mq)
    await mq.advance(GIVEN_UP_MS)
    assert.equal(first.asked.length + second.asked.length, 15)
  }),
  rule('11.2', 'A half survives a crash, and is asked about', killed, async (world) => {
    const before = await world.openShop()
    await begin(await payer(before), 'order 1')
    const mq = await world.crash(before)
    const sender = await payer(mq, COMMIT)
    await mq.advance(FIRST_CHECK_MS)
    assert.equal(sender.asked.length, 1)
    assert.deepEqual(await arrived(mq), ['order 1'])
  }),
  rule('11.1', 'What is committed before a crash is there once behind it', killed, async (world) => {
    const before = await world.openShop()
    const sender = await payer(before, COMMIT)
    await (await begin(sender, 'order 1')).transaction.commit()
    const mq = await world.crash(before)
    await payer(mq, COMMIT)
    await mq.advance('10m')
    assert.deepEqual(await arrived(mq), ['order 1'])
  }),
  rule('11.1', 'What is rolled back before a crash stays away', killed, async (world) => {
    const before = await world.openShop()
    const sender = await payer(before, COMMIT)
    await (await begin(sender)).transaction.rollback()
    const mq = await world.crash(before)
    await payer(mq, COMMIT)
    await mq.advance('10m')
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('11.2', 'A crash in the middle of a check leaves the transaction open', killed, async (world) => {
    const before = await world.openShop()
    const stuck = await payer(before, () => new Promise(() => undefined))
    await begin(stuck, 'order 1')
    await before.advance(FIRST_CHECK_MS)
    assert.ok(stuck.asked.length > 0)
    const mq = await world.crash(before)
    await payer(mq, COMMIT)
    await mq.advance(FIRST_CHECK_MS)
    assert.deepEqual(await arrived(mq), ['order 1'])
  }),
]

export const transactionChecks: ConformanceChapter = {
  title: 'Checks of transactions',
  rules: [...times, ...answers, ...whom, ...givenUp, ...restarts],
}
