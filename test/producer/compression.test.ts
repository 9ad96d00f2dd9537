import { deflateSync, inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { StoredMessage } from '../../src/store/stored-message.ts'
import { type ClientHost, openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const TEXT = 'a book and another book, '.repeat(400)

/** A producer that compresses from 4096 bytes on. */
const compressing = (host: ClientHost, leastBytes = 4096) =>
  host.producer({ compressMsgBodyOverHowmuchBytes: leastBytes })

async function stored(host: ClientHost, topic = 'orders', offset = 0): Promise<StoredMessage> {
  const message = await host.broker.viewMessage(host.queue(topic), offset)
  expect(message).toBeInstanceOf(StoredMessage)
  return message as StoredMessage
}

/** Puts a message with this body into the store, said to be compressed so. */
async function storeAs(host: ClientHost, body: Uint8Array, compression = 'ZLIB'): Promise<MessageView> {
  const { sendMessage } = host.broker
  host.replace({
    sendMessage: (request) =>
      sendMessage.call(host.broker, {
        ...request,
        messages: {
          ...[request.messages].flat()[0]!,
          body,
          bodyBytes: body.length,
          properties: [['__COMPRESSION', compression]],
        },
      }),
  })
  const producer = await host.producer()
  await producer.send({ topic: 'orders', body: 'x' })
  host.restore('sendMessage')
  return stored(host)
}

describe('A body that is compressed', () => {
  test.each([
    ['text', TEXT],
    ['bytes', Buffer.from(TEXT)],
  ])('takes less room and is read as it was sent: %s', async (_, body) => {
    const host = await openShop()
    const producer = await compressing(host)
    await producer.send({ topic: 'orders', body, properties: { region: 'eu' }, messageGroup: 'g' })
    const message = await stored(host)
    expect(message.body).toEqual(Buffer.from(TEXT))
    expect(message.text()).toBe(TEXT)
    expect(message.body).toBe(message.body)
    expect(message).toMatchObject({ properties: { region: 'eu' }, messageGroup: 'g', compression: 'ZLIB' })
    expect(inflateSync(message.storedBody).toString()).toBe(TEXT)
    expect(message.storeSize).toBeLessThan(300)
    expect(JSON.stringify(message)).not.toContain('COMPRESSION')
  })

  test('is one of at least so many bytes, that becomes smaller', async () => {
    const host = await openShop()
    const producer = await compressing(host, 100)
    await producer.send({ topic: 'orders', body: 'x'.repeat(99) })
    await producer.send({ topic: 'orders', body: 'x'.repeat(100) })
    const random = deflateSync(Buffer.from(TEXT + TEXT), { level: 9 })
    await producer.send({ topic: 'orders', body: Buffer.concat([random, random]).subarray(0, random.length) })
    const compressions = [0, 1, 2].map(async (offset) => (await stored(host, 'orders', offset)).compression)
    expect(await Promise.all(compressions)).toEqual([undefined, 'ZLIB', undefined])
  })

  test('is none of a batch, and none unless the option says so', async () => {
    const host = await openShop()
    const message = { topic: 'orders', body: TEXT }
    await (await compressing(host)).send([message, message])
    await (await host.producer()).send(message)
    const compressions = [0, 1, 2].map(async (offset) => (await stored(host, 'orders', offset)).compression)
    expect(await Promise.all(compressions)).toEqual([undefined, undefined, undefined])
  })

  test('is seen by hooks as it was sent', async () => {
    const host = await openShop()
    const seen: string[] = []
    const producer = await host.producer({
      compressMsgBodyOverHowmuchBytes: 10,
      sendHooks: [{ before: ({ messages }) => void seen.push(String(messages[0]?.body)) }],
    })
    await producer.send({ topic: 'orders', body: TEXT })
    expect(seen).toEqual([TEXT])
    expect((await stored(host)).compression).toBe('ZLIB')
  })

  test('counts with its full size for the limit', async () => {
    const host = await openShop()
    const producer = await compressing(host)
    const body = Buffer.alloc(4 * 1024 * 1024)
    await expect(producer.send({ topic: 'orders', body })).rejects.toEqual(
      mqError('MESSAGE_ILLEGAL', '4194304'),
    )
    const largest = body.subarray(0, body.length - 'orders'.length - 20)
    await producer.send({ topic: 'orders', body: largest })
    expect((await stored(host)).body).toHaveLength(largest.length)
  })

  test('may be changed by its sender at once', async () => {
    const host = await openHost()
    const producer = await compressing(host)
    const body = Buffer.from(TEXT)
    const sending = producer.send({ topic: 'orders', body }, { queue: host.queue() })
    body.fill(0)
    const { queue } = await sending
    expect((await host.broker.viewMessage(queue, 0)).text()).toBe(TEXT)
  })

  test('stays compressed while it is delayed, retried, and dead', async () => {
    const host = await openShop()
    const producer = await compressing(host)
    await producer.send({ topic: 'orders', body: TEXT, delayTimeLevel: 1 })
    const texts: string[] = []
    await host.consumer({
      maxReconsumeTimes: 1,
      listener: (message) => {
        texts.push(message.text())
        return 'FAILURE'
      },
    })
    await host.clock.advance(60_000)
    expect(texts).toEqual([TEXT, TEXT])
    for (const topic of ['orders', '%RETRY%billing', '%DLQ%billing']) {
      const copy = await stored(host, topic)
      expect([copy.compression, copy.text() === TEXT]).toEqual(['ZLIB', true])
      expect(copy.storeSize).toBeLessThan(600)
    }
  })

  test('stays compressed through a transaction, whose checker reads it', async () => {
    const host = await openShop()
    const checked: string[] = []
    const producer = await host.producer({
      compressMsgBodyOverHowmuchBytes: 4096,
      transactionChecker: (message) => {
        checked.push(message.text())
        return 'COMMIT'
      },
    })
    await producer.send({ topic: 'orders', body: TEXT }, { transaction: producer.beginTransaction() })
    await host.clock.advance(60_000)
    expect(checked).toEqual([TEXT])
    const message = await stored(host)
    expect([message.compression, message.text()]).toEqual(['ZLIB', TEXT])
  })

  test.each([0, -1, 1.5, 5 * 1024 * 1024, '4096'])('is refused from %j bytes on', async (leastBytes) => {
    const host = await openHost()
    await expect(compressing(host, leastBytes as number)).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'compressMsgBodyOverHowmuchBytes'),
    )
  })
})

describe('A body that cannot be inflated', () => {
  const bomb = deflateSync(Buffer.alloc(4 * 1024 * 1024 + 1))

  test.each<[string, Buffer, string | undefined]>([
    ['is no zlib', Buffer.from('nonsense'), undefined],
    ['ends too early', deflateSync(TEXT).subarray(0, 40), undefined],
    ['becomes larger than a message can be', bomb, undefined],
    ['is compressed in an unknown way', deflateSync(TEXT), 'LZ4'],
  ])('is told when it is read: it %s', async (_, body, compression) => {
    const host = await openShop()
    const message = await storeAs(host, body, compression)
    expect(() => message.body).toThrow(mqError('STORE_CORRUPTED', message.messageId))
    expect(() => message.text()).toThrow(mqError('STORE_CORRUPTED'))
    expect(() => message.json()).toThrow(mqError('STORE_CORRUPTED'))
    expect(JSON.stringify(message)).toContain(message.messageId)
    expect(Reflect.get(message, Symbol.for('nodejs.util.inspect.custom')).call(message)).toMatchObject({
      bodyBytes: body.length,
    })
  })

  test('is retried, and becomes a dead letter as it is', async () => {
    const host = await openShop()
    await storeAs(host, bomb)
    await host.consumer({ maxReconsumeTimes: 1, listener: (message) => void message.body })
    await host.clock.advance(60_000)
    const letter = await stored(host, '%DLQ%billing')
    expect(letter.storedBody).toEqual(bomb)
    expect(letter.properties.DLQ_REASON).toContain('cannot be inflated')
  })
})
