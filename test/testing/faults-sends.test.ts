import { describe, expect, test } from 'vitest'
import { MQErrorCodes } from '../../src/model/errors.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill, countBodies, sendInWords, sendOrders } from './billing.ts'

async function storedCount(mq: TestMQ): Promise<number> {
  const status = await mq.admin.topicStatus('orders')
  return status.reduce((sum, { maxOffset }) => sum + maxOffset, 0)
}

describe('A send that a fault refuses', () => {
  test('fails as the third of them, and stores nothing', async () => {
    await using mq = await createTestMQ()
    const fault = mq.faults.failSend({ topic: 'orders', nth: 3, code: 'DISK_FULL' })
    expect(await sendInWords(mq, 'a', 'b', 'c', 'd')).toEqual([
      'SEND_OK',
      'SEND_OK',
      'DISK_FULL not-attempted',
      'SEND_OK',
    ])
    expect(await storedCount(mq)).toBe(3)
    expect(fault.hitCount).toBe(1)
    expect(mq.ledger.of('send-failed')).toHaveLength(1)
  })

  test.each(Object.keys(MQErrorCodes) as (keyof typeof MQErrorCodes)[])(
    'can carry %s with its response code',
    async (code) => {
      await using mq = await createTestMQ()
      mq.faults.failSend({ code })
      const [error] = await sendOrders(mq, 'a')
      const { responseCode } = MQErrorCodes[code] as { responseCode?: number }
      expect(error).toEqual(mqError(code, "failSend({ code: '"))
      expect(error).toHaveProperty('responseCode', responseCode)
    },
  )

  test('fails a batch as a whole', async () => {
    await using mq = await createTestMQ()
    mq.faults.failSend({ nth: 1 })
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = [
      { topic: 'orders', body: 'a' },
      { topic: 'orders', body: 'b' },
    ]
    await expect(producer.send(batch)).rejects.toEqual(mqError('SYSTEM_BUSY'))
    expect(await storedCount(mq)).toBe(0)
    expect((await producer.send(batch)).messageCount).toBe(2)
  })
})

describe('A receipt that is lost', () => {
  test('leaves the message stored and the sender in doubt', async () => {
    await using mq = await createTestMQ()
    await bill(mq, () => undefined)
    mq.faults.loseReceipt({ nth: 2 })
    expect(await sendInWords(mq, 'a', 'b', 'c')).toEqual(['SEND_OK', 'SEND_TIMEOUT unknown', 'SEND_OK'])
    await mq.settled()
    expect(countBodies(mq)).toEqual({ a: 1, b: 1, c: 1 })
  })

  test('shows why a send that is tried again makes a duplicate', async () => {
    await using mq = await createTestMQ()
    await bill(mq, () => undefined)
    mq.faults.loseReceipt({ times: 1, code: 'SERVICE_NOT_AVAILABLE' })
    expect(await sendInWords(mq, 'a', 'a')).toEqual(['SERVICE_NOT_AVAILABLE unknown', 'SEND_OK'])
    await mq.settled()
    expect(countBodies(mq)).toEqual({ a: 2 })
  })
})

describe('A status that a fault answers', () => {
  test.each(['FLUSH_DISK_TIMEOUT', 'FLUSH_SLAVE_TIMEOUT', 'SLAVE_NOT_AVAILABLE'] as const)(
    'is %s, with the message stored',
    async (status) => {
      await using mq = await createTestMQ()
      const fault = mq.faults.answerStatus(status, { nth: 1 })
      const [weak, firm] = (await sendOrders(mq, 'a', 'b')) as SendReceipt[]
      expect([weak?.status, firm?.status]).toEqual([status, 'SEND_OK'])
      expect(JSON.parse(JSON.stringify(weak))).toMatchObject({ status, messageId: weak?.messageId })
      expect(await storedCount(mq)).toBe(2)
      expect(mq.ledger.of('stored')[0]?.status).toBe(status)
      expect(fault.description).toBe(`answerStatus('${status}', { nth: 1 })`)
    },
  )
})

describe('A send that is held up', () => {
  test('reaches the engine when its time has come, with the body that it had', async () => {
    await using mq = await createTestMQ()
    const texts: string[] = []
    await bill(mq, (message) => void texts.push(message.text()))
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'first' })
    mq.faults.delay('sendMessage', { byMs: 2000, times: 1 })
    const body = Buffer.from('before')
    const sending = producer.send({ topic: 'orders', body })
    body.write('after!')
    await mq.clock.advance(1999)
    expect(texts).toEqual(['first'])
    await mq.clock.advance(1)
    expect((await sending).status).toBe('SEND_OK')
    expect(texts).toEqual(['first', 'before'])
  })

  test('is given up when its timeout is over, and stored all the same', async () => {
    await using mq = await createTestMQ()
    mq.faults.delay('sendMessage', { byMs: 5000 })
    const producer = await mq.createProducer({ group: 'shop', sendMsgTimeoutMs: 3000 })
    const sending = producer.send({ topic: 'orders', body: 'late' }).catch((error: unknown) => error)
    await mq.clock.advance(3000)
    expect(await sending).toEqual(mqError('SEND_TIMEOUT', 'delay('))
    expect(await storedCount(mq)).toBe(0)
    await mq.clock.advance(2000)
    expect(await storedCount(mq)).toBe(1)
  })

  test('is waited for by settled(), within its horizon', async () => {
    await using mq = await createTestMQ()
    mq.faults.delay('sendMessage', { byMs: 2000, times: 1 })
    const sending = sendInWords(mq, 'a')
    await expect(mq.settled({ deadlineMs: 10 })).rejects.toEqual(
      mqError('NOT_SETTLED', 'its send has not been answered'),
    )
    await mq.settled({ horizon: '2s' })
    expect(await sending).toEqual(['SEND_OK'])
  })
})
