/** Transactions: halves that nobody sees, and how they end. */
import { strict as assert } from 'node:assert'
import type { MQError } from '../../../model/errors.ts'
import type { Message } from '../../../model/message.ts'
import type { Transaction } from '../../../producer/transaction.ts'
import type { LocalTransaction } from '../../../producer/transactions.ts'
import { eventsOf, pull, queueOf, refused, send, subscribe } from '../kit.ts'
import { arrived } from '../kit-delays.ts'
import { begin, COMMIT, checked, FIRST_CHECK_MS, payer, ROLLBACK, UNKNOWN } from '../kit-transactions.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const offline = { needs: ['transactions'] } as const
const differing = { needs: ['transactions'], differs: true } as const
const inTime = { needs: checked } as const
const ORDER: Message = { topic: 'orders', body: 'x' }

const halves: readonly ConformanceRule[] = [
  rule('11.2', 'A half is delivered to no listener', offline, async (world) => {
    const mq = await world.openShop()
    const { deliveries } = await subscribe(mq)
    await begin(await payer(mq))
    await mq.rest()
    assert.equal(deliveries.length, 0)
  }),
  rule('11.2', 'A half is found by no pull', offline, async (world) => {
    const mq = await world.openShop()
    await mq.admin.createGroup({ group: 'billing' })
    await begin(await payer(mq))
    assert.equal((await pull(mq)).status, 'NO_NEW_MSG')
  }),
  rule('11.2', 'A half is polled by no lite pull consumer', offline, async (world) => {
    const mq = await world.openShop()
    const consumer = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    await begin(await payer(mq), 'half')
    await send(mq, 'plain')
    const polled: string[] = []
    await mq.until('the plain message is polled', async () => {
      polled.push(...(await consumer.poll({ timeoutMs: 0 })).map((message) => message.text()))
      return polled.length > 0
    })
    assert.deepEqual(polled, ['plain'])
  }),
  rule(
    '11.2',
    'A half is received by no simple consumer',
    { needs: ['transactions', 'pop'] },
    async (world) => {
      const mq = await world.openShop()
      const consumer = await mq.createSimpleConsumer({ group: 'billing', subscriptions: { orders: '*' } })
      await begin(await payer(mq))
      assert.deepEqual(await consumer.receive({ maxMessages: 16, awaitDurationMs: 0 }), [])
    },
  ),
  rule('11.2', 'A half is found by no query', offline, async (world) => {
    const mq = await world.openShop()
    const { receipt } = await begin(await payer(mq), 'x', { keys: ['o-42'] })
    assert.deepEqual(await mq.engine.queryMessagesById(receipt.messageId), [])
    const range = { begin: 0, end: mq.now() + 1000 }
    assert.deepEqual(await mq.admin.queryMessagesByKey('orders', 'o-42', range), [])
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('11.2', 'A half takes no offset, and no group lags behind it', offline, async (world) => {
    const mq = await world.openShop()
    await subscribe(mq)
    const sender = await payer(mq)
    await begin(sender, 'rolled back').then(({ transaction }) => transaction.rollback())
    await begin(sender, 'open')
    const queue = await queueOf(mq)
    assert.equal(await mq.admin.maxOffset(queue), 0)
    const { queues } = await mq.admin.consumerProgress('billing')
    assert.ok(queues.every(({ lag }) => lag === 0))
    const [receipt] = await send(mq, 'plain')
    assert.equal(receipt?.queueOffset, 0)
  }),
  rule('11.1', 'The transaction has the id of its message', offline, async (world) => {
    const mq = await world.openShop()
    const { transaction, receipt } = await begin(await payer(mq))
    assert.equal(transaction.transactionId, receipt.messageId)
    assert.equal(receipt.status, 'SEND_OK')
  }),
  rule('11.1', 'The receipt of a half names no offset', differing, async (world) => {
    const mq = await world.openShop()
    const { receipt } = await begin(await payer(mq))
    assert.deepEqual([receipt.queueOffset, receipt.offsetMessageId], [-1, ''])
  }),
]

const ends: readonly ConformanceRule[] = [
  rule('11.1', 'A commit delivers the message', offline, async (world) => {
    const mq = await world.openShop()
    const { texts } = await subscribe(mq)
    const { transaction } = await begin(await payer(mq), 'order 1')
    await transaction.commit()
    await mq.until('it is delivered', () => texts().length > 0)
    await mq.rest()
    assert.deepEqual(texts(), ['order 1'])
  }),
  rule('11.1', 'What is committed is what was sent, under the same id', offline, async (world) => {
    const mq = await world.openShop()
    const born = mq.now()
    const fields = { tag: 'paid', keys: ['o-42', 'c-7'], properties: { region: 'eu' } }
    const { transaction, receipt } = await begin(await payer(mq), 'order 42', fields)
    await transaction.commit()
    const [message] = await mq.admin.browse('orders')
    assert.deepEqual(
      [message?.messageId, message?.text(), message?.tag, message?.keys, message?.properties.region],
      [receipt.messageId, 'order 42', 'paid', ['o-42', 'c-7'], 'eu'],
    )
    assert.ok(message!.bornTimestamp >= born && message!.bornTimestamp <= mq.now())
    assert.equal((await mq.admin.queryMessagesByKey('orders', 'o-42')).length, 1)
  }),
  rule('11.1', 'It shows that it was in a transaction, and of which group', offline, async (world) => {
    const mq = await world.openShop()
    const { transaction } = await begin(await payer(mq))
    await transaction.commit()
    const [message] = await mq.admin.browse('orders')
    assert.deepEqual([message?.properties.TRAN_MSG, message?.properties.PGROUP], ['true', 'pay'])
  }),
  rule('11.1', 'The time of the commit decides its place, not that of the half', offline, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq)
    const [first, second] = [await begin(sender, 'half 1'), await begin(sender, 'half 2')]
    await send(mq, 'plain')
    await second.transaction.commit()
    await first.transaction.commit()
    assert.deepEqual(await arrived(mq), ['plain', 'half 2', 'half 1'])
  }),
  rule('11.1', 'It is stored at the time of the commit', inTime, async (world) => {
    const mq = await world.openShop()
    const born = mq.now()
    const { transaction } = await begin(await payer(mq))
    await mq.advance('3s')
    await transaction.commit()
    const [message] = await mq.admin.browse('orders')
    assert.deepEqual([message?.bornTimestamp, message?.storeTimestamp], [born, born + 3000])
  }),
  rule('11.1', 'It goes to the queue that its receipt names', offline, async (world) => {
    const mq = await world.openShop(4)
    const sender = await payer(mq)
    for (let i = 0; i < 5; i++) {
      const { transaction, receipt } = await begin(sender, String(i))
      await transaction.commit()
      const [message] = await mq.engine.queryMessagesById(receipt.messageId)
      assert.equal(message?.queue.queueId, receipt.queue.queueId)
    }
  }),
  rule('11.1', 'What is rolled back is never delivered', inTime, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq, COMMIT)
    const { transaction } = await begin(sender)
    await transaction.rollback()
    await mq.advance('1h')
    assert.deepEqual(await arrived(mq), [])
    assert.equal(sender.asked.length, 0)
  }),
  rule('11.1', 'A second commit changes nothing', differing, async (world) => {
    const mq = await world.openShop()
    const { transaction, receipt } = await begin(await payer(mq))
    await Promise.all([transaction.commit(), transaction.commit()])
    await mq.engine.transactions!.endTransaction(receipt.messageId, 'pay', COMMIT)
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('11.1', 'A commit after a rollback is refused', differing, async (world) => {
    const mq = await world.openShop()
    const { transaction, receipt } = await begin(await payer(mq))
    await transaction.rollback()
    await refused('ILLEGAL_OPERATION', () => transaction.commit())
    await refused('ILLEGAL_OPERATION', () =>
      mq.engine.transactions!.endTransaction(receipt.messageId, 'pay', COMMIT),
    )
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('11.1', 'A rollback after a commit is refused', differing, async (world) => {
    const mq = await world.openShop()
    const { transaction, receipt } = await begin(await payer(mq))
    await transaction.commit()
    await refused('ILLEGAL_OPERATION', () => transaction.rollback())
    await refused('ILLEGAL_OPERATION', () =>
      mq.engine.transactions!.endTransaction(receipt.messageId, 'pay', ROLLBACK),
    )
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('11.1', 'Another producer group cannot end it', offline, async (world) => {
    const mq = await world.openShop()
    const { transaction, receipt } = await begin(await payer(mq))
    await refused('ILLEGAL_OPERATION', () =>
      mq.engine.transactions!.endTransaction(receipt.messageId, 'thieves', COMMIT),
    )
    assert.deepEqual(await arrived(mq), [])
    await transaction.commit()
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('11.1', 'UNKNOWN changes nothing', offline, async (world) => {
    const mq = await world.openShop()
    const { transaction, receipt } = await begin(await payer(mq))
    await mq.engine.transactions!.endTransaction(receipt.messageId, 'pay', UNKNOWN)
    assert.deepEqual(await arrived(mq), [])
    await transaction.commit()
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('1.5', 'A deleted topic takes its halves along', differing, async (world) => {
    const mq = await world.openShop()
    const { transaction } = await begin(await payer(mq))
    await mq.admin.deleteTopic('orders')
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await refused('TOPIC_NOT_EXIST', () => transaction.commit())
    assert.deepEqual(await arrived(mq), [])
  }),
]

const refusals: readonly ConformanceRule[] = [
  rule('11.1', 'A transaction needs a checker', offline, async (world) => {
    const mq = await world.openShop()
    const producer = await mq.producer()
    await refused('INVALID_PARAMETER', () => producer.beginTransaction())
    await refused('INVALID_PARAMETER', () => producer.sendInTransaction(ORDER, () => COMMIT))
  }),
  rule('11.2', 'A transaction takes one message', offline, async (world) => {
    const mq = await world.openShop()
    const sender = await payer(mq)
    const { transaction } = await begin(sender)
    await refused('ILLEGAL_OPERATION', () => sender.producer.send(ORDER, { transaction }))
    await transaction.commit()
    await refused('ILLEGAL_OPERATION', () => sender.producer.send(ORDER, { transaction }))
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('11.2', 'Without a stored message there is nothing to end', offline, async (world) => {
    const mq = await world.openShop()
    const transaction = (await payer(mq)).producer.beginTransaction()
    await refused('ILLEGAL_OPERATION', () => transaction.commit())
    await refused('ILLEGAL_OPERATION', () => transaction.rollback())
  }),
  rule('11.2', 'A transaction belongs to the producer that began it', offline, async (world) => {
    const mq = await world.openShop()
    const [one, other] = [await payer(mq), await payer(mq)]
    const transaction = one.producer.beginTransaction()
    await refused('INVALID_PARAMETER', () => other.producer.send(ORDER, { transaction }))
    for (const wrong of [null, {}, 'x'])
      await refused('INVALID_PARAMETER', () =>
        one.producer.send(ORDER, { transaction: wrong as unknown as Transaction }),
      )
  }),
  rule('11.2', 'A batch is not sent in a transaction', offline, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    const transaction = producer.beginTransaction()
    await refused('MESSAGE_ILLEGAL', () => producer.send([ORDER, ORDER], { transaction }))
  }),
  rule('11.2', 'Nor a delayed message', differing, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    for (const delay of [{ delayTimeLevel: 1 }, { deliveryTimestamp: mq.now() + 5000 }]) {
      const transaction = producer.beginTransaction()
      await refused('MESSAGE_ILLEGAL', () => producer.send({ ...ORDER, ...delay }, { transaction }))
    }
  }),
  rule('11.2', 'Nor one with a messageGroup', offline, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    const transaction = producer.beginTransaction()
    await refused('MESSAGE_ILLEGAL', () => producer.send({ ...ORDER, messageGroup: 'o-1' }, { transaction }))
  }),
  rule('11.2', 'Nor one for a queue that is chosen', offline, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    const transaction = producer.beginTransaction()
    const queue = await queueOf(mq)
    await refused('INVALID_PARAMETER', () => producer.send(ORDER, { queue, transaction }))
    await refused('INVALID_PARAMETER', () =>
      producer.send(ORDER, { selector: ([first]) => first!, transaction }),
    )
  }),
  rule('11.2', 'Nor one-way', offline, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    const transaction = producer.beginTransaction()
    await refused('INVALID_PARAMETER', () => producer.sendOneway(ORDER, { transaction }))
  }),
]

function localRule(title: string, local: () => unknown, texts: readonly string[]): ConformanceRule {
  return rule('11.1', `A local transaction that ${title}`, offline, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    await producer.sendInTransaction(ORDER, local as LocalTransaction)
    assert.deepEqual(await arrived(mq), texts)
  })
}

const localTransactions: readonly ConformanceRule[] = [
  localRule('answers COMMIT delivers the message', () => COMMIT, ['x']),
  localRule('answers ROLLBACK drops it', () => ROLLBACK, []),
  localRule('answers UNKNOWN leaves it open', () => UNKNOWN, []),
  localRule('answers nothing leaves it open', () => undefined, []),
  localRule('rejects leaves it open', () => Promise.reject(new Error('no database')), []),
  rule('11.1', 'What a local transaction left open is ended by the checker', inTime, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq, COMMIT)
    const { resolution, error } = await producer.sendInTransaction(ORDER, () => {
      throw new Error('no database')
    })
    assert.deepEqual([resolution, String(error)], [UNKNOWN, 'Error: no database'])
    await mq.advance(FIRST_CHECK_MS)
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('11.1', 'A local transaction runs when the half is stored, once', offline, async (world) => {
    const mq = await world.openShop()
    const { producer } = await payer(mq)
    const ran: unknown[] = []
    const result = await producer.sendInTransaction(ORDER, (message, receipt) => {
      ran.push(message.body, receipt.messageId, receipt.status)
      return COMMIT
    })
    assert.deepEqual(ran, ['x', result.transactionId, 'SEND_OK'])
    assert.deepEqual([result.resolution, result.receipt.messageId], [COMMIT, result.transactionId])
  }),
  rule(
    '11.1',
    'A local transaction that a check was faster than has not ended as it answers',
    inTime,
    async (world) => {
      const mq = await world.openShop()
      const errors = eventsOf(mq, 'error')
      const { producer } = await payer(mq, ROLLBACK)
      const sending = producer.sendInTransaction(ORDER, async () => {
        await new Promise<void>((resolve) => void mq.engine.clock.setTimer(FIRST_CHECK_MS + 1, resolve))
        return COMMIT
      })
      await mq.advance(FIRST_CHECK_MS + 1)
      const { resolution, error, transactionId, receipt } = await sending
      assert.deepEqual([resolution, (error as MQError).code], [UNKNOWN, 'ILLEGAL_OPERATION'])
      assert.deepEqual([receipt.transactionId, errors.length], [transactionId, 1])
      assert.deepEqual(await arrived(mq), [])
    },
  ),
  rule('11.1', 'It does not run when the half is not stored', offline, async (world) => {
    const mq = await world.openShop(1, { autoCreateTopicEnable: false })
    const { producer } = await payer(mq)
    let runCount = 0
    const local = (): typeof COMMIT => {
      runCount += 1
      return COMMIT
    }
    await refused('TOPIC_NOT_EXIST', () => producer.sendInTransaction({ ...ORDER, topic: 'other' }, local))
    await refused('MESSAGE_ILLEGAL', () => producer.sendInTransaction({ ...ORDER, body: '' }, local))
    assert.equal(runCount, 0)
  }),
]

export const transactions: ConformanceChapter = {
  title: 'Transactions',
  rules: [...halves, ...ends, ...refusals, ...localTransactions],
}
