import { describe, expect, test } from 'vitest'
import type { ProducerOptions } from '../../src/producer/producer-options.ts'
import type { SendHook } from '../../src/producer/send-hooks.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

async function open(options: Partial<ProducerOptions> = {}) {
  const mq = await createTestMQ({ topics: [{ topic: 't', queues: 1 }], deduplicationWindowMs: 1000 })
  const producer = await mq.createProducer({ group: 'g', ...options })
  const stored = async () => (await mq.admin.browse('t')).map((message) => message.text())
  return { mq, producer, stored }
}

/** Bytes that answer another size than they have. */
function lying(length: number, claimed: number): Uint8Array {
  class Liar extends Uint8Array {
    override get byteLength() {
      return claimed
    }

    override get length() {
      return claimed
    }
  }
  return new Liar(length).fill(66)
}

/** Bytes of a buffer that shrinks to nothing when its owner says so. */
function shrinking(length: number) {
  const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [length, { maxByteLength: length }])
  const body = new Uint8Array(buffer).fill(65)
  const shrink = (): void => void Reflect.apply(Reflect.get(buffer, 'resize'), buffer, [0])
  return { body, shrink }
}

describe('A body that says something wrong of its size', () => {
  const bodies: [string, () => Uint8Array][] = [
    ['fewer bytes', () => lying(10, 2)],
    ['more bytes', () => lying(10, 5000)],
    [
      'another size by a field of its own',
      () => Object.defineProperty(Buffer.alloc(10, 66), 'byteLength', { value: 3 }),
    ],
  ]

  test.each(bodies)('%s: is stored as it is', async (_, create) => {
    const { producer, stored } = await open()
    await producer.send({ topic: 't', body: 'first' })
    await producer.send({ topic: 't', body: create() })
    await producer.send([
      { topic: 't', body: create() },
      { topic: 't', body: 'last' },
    ])
    expect(await stored()).toEqual(['first', 'B'.repeat(10), 'B'.repeat(10), 'last'])
  })

  test.each(bodies)('%s: also when it waits, is delayed or compressed', async (_, create) => {
    const { mq, producer, stored } = await open({ compressMsgBodyOverHowmuchBytes: 1 })
    // The first send to a topic waits for its route, and with a messageId for a look at what is stored.
    await Promise.all([
      producer.send({ topic: 't', body: create() }),
      producer.send({ topic: 't', body: create() }, { messageId: '0100000000000000000000000000000001' }),
      producer.send({ topic: 't', body: create(), delayTimeLevel: 1 }),
    ])
    await mq.clock.advance('1s')
    expect(await stored()).toEqual(Array.from({ length: 3 }, () => 'B'.repeat(10)))
  })

  test('bytes iterated otherwise than they are copy as they are', async () => {
    const { producer, stored } = await open()
    const body = Object.defineProperty(Buffer.from('true'), Symbol.iterator, {
      value: () => [88][Symbol.iterator](),
    })
    await producer.send({ topic: 't', body })
    expect(await stored()).toEqual(['true'])
  })

  test.each([
    ['an object with the prototype of bytes', Object.create(Uint8Array.prototype)],
    ['a proxy of bytes', new Proxy(Buffer.from('x'), {})],
  ])('%s is no body', async (_, body) => {
    const { producer, stored } = await open()
    await expect(producer.send({ topic: 't', body })).rejects.toEqual(
      mqError('MESSAGE_ILLEGAL', 'string or a Uint8Array'),
    )
    expect(await stored()).toEqual([])
  })
})

describe('A body whose buffer shrinks while it is sent', () => {
  const shrunk = mqError('MESSAGE_ILLEGAL', 'had 100 bytes when it was sent and has 0 now')

  test('is refused when a getter of its message does that', async () => {
    const { producer, stored } = await open()
    const { body, shrink } = shrinking(100)
    const message = {
      topic: 't',
      body,
      get tag() {
        shrink()
        return 'a'
      },
    }
    await expect(producer.send(message)).rejects.toEqual(mqError('MESSAGE_ILLEGAL', 'body is empty'))
    expect(await stored()).toEqual([])
  })

  test('takes its whole batch along, and nothing of it is stored with what comes next', async () => {
    const { mq, producer, stored } = await open()
    const { body, shrink } = shrinking(100)
    await producer.send({ topic: 't', body: 'first' })
    const batch = [
      { topic: 't', body: 'half' },
      { topic: 't', body },
      { topic: 't', body: 'half' },
    ]
    const selector = <Queue>(queues: readonly Queue[]): Queue => {
      shrink()
      return queues[0]!
    }
    await expect(producer.send(batch, { selector })).rejects.toEqual(shrunk)
    await producer.send({ topic: 't', body: 'next' })
    expect(await stored()).toEqual(['first', 'next'])
    expect(mq.state).toBe('open')
    expect((await mq.admin.check()).problems).toEqual([])
  })

  test.each([
    ['at once', {}, {}],
    ['delayed', { delayTimeLevel: 1 }, {}],
    ['compressed', {}, { compressMsgBodyOverHowmuchBytes: 1 }],
  ])('is refused behind a hook that does that, %s', async (_, fields, options) => {
    const { body, shrink } = shrinking(100)
    const before: SendHook['before'] = ({ messages }) => {
      if (messages[0]!.bodyBytes === 100) shrink()
    }
    const { mq, producer, stored } = await open({ ...options, sendHooks: [{ before }] })
    // With a route that is known nothing copies the body before the hooks are called.
    await producer.send({ topic: 't', body: 'first' })
    await expect(producer.send({ topic: 't', body, ...fields })).rejects.toEqual(shrunk)
    await mq.clock.advance('1s')
    expect(await stored()).toEqual(['first'])
  })
})
