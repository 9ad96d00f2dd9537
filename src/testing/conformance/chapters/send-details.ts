/** What producers can do besides storing messages: hooks that watch, compression, sends that may be repeated. */
import { strict as assert } from 'node:assert'
import type { MQErrorCode } from '../../../model/errors.ts'
import { messageIdFor } from '../../../model/message-id-for.ts'
import type { SendHook, SendHookContext, SendHookOutcome } from '../../../producer/send-hooks.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, failing, numbers, queueOf, refused, subscribe, textsOf } from '../kit.ts'
import { storedMessages } from '../kit-groups.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const order = { topic: 'orders', body: 'x' }

const broken = (): never => {
  throw new Error('broken')
}

/** Hooks that err, and whether somebody must hear of it. */
const BROKEN: readonly (readonly [how: string, hook: SendHook])[] = [
  ['throws before a send', { before: broken }],
  ['throws after a send', { after: broken }],
  ['rejects', { before: () => Promise.reject(new Error('broken')) as never }],
  ['meddles with what it is told', { before: (context) => void Object.assign(context, { group: 'x' }) }],
]

/** A hook that writes down what it is told. */
function noting() {
  const before: SendHookContext[] = []
  const after: [SendHookContext, SendHookOutcome][] = []
  const hook: SendHook = {
    before: (context) => void before.push(context),
    after: (context, outcome) => void after.push([context, outcome]),
  }
  return { hook, before, after }
}

function brokenRule([how, hook]: (typeof BROKEN)[number]): ConformanceRule {
  return rule(
    '3.7',
    `A send hook that ${how} changes nothing, and an error event tells of it`,
    async (world) => {
      const mq = await world.openShop()
      const errors = eventsOf(mq, 'error')
      const sound = noting()
      const producer = await mq.createProducer({ group: 'watched', sendHooks: [hook, sound.hook] })
      await producer.send(order)
      await mq.until('it is told', () => errors.length === 1)
      assert.deepEqual([sound.before.length, sound.after.length], [1, 1])
      assert.match(errors[0]!.message, /The send hook 'hook' of 'watched' failed/)
      assert.deepEqual(textsOf(await storedMessages(mq)), ['x'])
    },
  )
}

const hooks: readonly ConformanceRule[] = [
  rule('3.7', 'Send hooks are called before and after every send, in their order', async (world) => {
    const mq = await world.openShop()
    const lines: string[] = []
    const hookOf = (name: string): SendHook => ({
      before: ({ messages }) => void lines.push(`${name} before ${messages[0]?.body}`),
      after: (_, { receipt }) => void lines.push(`${name} after ${receipt?.status}`),
    })
    const producer = await mq.createProducer({ group: 'watched', sendHooks: [hookOf('a'), hookOf('b')] })
    await producer.send(order)
    assert.deepEqual(lines, ['a before x', 'b before x', 'a after SEND_OK', 'b after SEND_OK'])
  }),
  rule('3.7', 'Send hooks are told the group, the producer, the queue and the message', async (world) => {
    const mq = await world.openShop(2)
    const { hook, before, after } = noting()
    const producer = await mq.createProducer({ group: 'watched', clientId: 'P', sendHooks: [hook] })
    const queue = await queueOf(mq, 1)
    const receipt = await producer.send({ ...order, tag: 't', keys: ['k'] }, { queue })
    const { group, clientId, messages } = before[0]!
    assert.deepEqual([group, clientId, before[0]!.queue.queueId], ['watched', 'P', 1])
    const { messageId, tag, keys } = messages[0]!
    assert.deepEqual([messageId, tag, keys], [receipt.messageId, 't', ['k']])
    assert.equal(after[0]?.[0], before[0])
  }),
  rule('3.7', 'Send hooks are told the messages of a batch together', async (world) => {
    const mq = await world.openShop()
    const { hook, before } = noting()
    const producer = await mq.createProducer({ group: 'watched', sendHooks: [hook] })
    await producer.send([order, { ...order, body: 'y' }])
    assert.deepEqual(
      before.map(({ messages }) => messages.map(({ body }) => String(body))),
      [['x', 'y']],
    )
  }),
  rule('3.7', 'Send hooks are told what is delayed', { needs: ['delay'] }, async (world) => {
    const mq = await world.openShop()
    const { hook, before, after } = noting()
    const producer = await mq.createProducer({ group: 'watched', sendHooks: [hook] })
    await producer.send({ ...order, delayTimeLevel: 1 })
    assert.deepEqual([before[0]?.kind, after[0]?.[1].receipt?.status], ['DELAY', 'SEND_OK'])
  }),
  rule('3.7', 'Send hooks are told what is half', { needs: ['transactions'] }, async (world) => {
    const mq = await world.openShop()
    const { hook, before, after } = noting()
    const producer = await mq.createProducer({
      group: 'watched',
      sendHooks: [hook],
      transactionChecker: () => 'UNKNOWN',
    })
    await producer.send(order, { transaction: producer.beginTransaction() })
    assert.deepEqual([before[0]?.kind, after[0]?.[1].receipt?.status], ['TRANSACTION', 'SEND_OK'])
  }),
  rule('3.7', 'Send hooks are told why a send failed', async (world) => {
    const mq = await world.openShop()
    const { hook, after } = noting()
    const producer = await mq.createProducer({ group: 'watched', sendHooks: [hook] })
    await producer.send(order)
    await mq.admin.deleteTopic('orders')
    await mq.admin.createTopic({ topic: 'orders', queues: 1, permission: 4 })
    await refused('NO_PERMISSION', () => producer.send(order))
    const failures = after.flatMap(([, { error }]) => (error === undefined ? [] : [error.code]))
    // Who knows the route refuses before there is a queue, which no hook sees.
    assert.ok(failures.every((code) => code === 'NO_PERMISSION'))
    assert.equal(after.filter(([, { receipt }]) => receipt !== undefined).length, 1)
  }),
  rule('3.7', 'Send hooks are told nothing of an illegal message', async (world) => {
    const mq = await world.openShop()
    const { hook, before } = noting()
    const producer = await mq.createProducer({ group: 'watched', sendHooks: [hook] })
    await refused('MESSAGE_ILLEGAL', () => producer.send({ ...order, body: '' }))
    assert.deepEqual(before, [])
  }),
  ...BROKEN.map(brokenRule),
  rule('3.7', 'A send waits for no hook', async (world) => {
    const mq = await world.openShop()
    const hanging = (): never => new Promise(() => undefined) as never
    const producer = await mq.createProducer({
      group: 'watched',
      sendHooks: [{ before: hanging, after: hanging }],
    })
    assert.equal((await producer.send(order)).status, 'SEND_OK')
  }),
]

const LARGE = 'a book and another book, '.repeat(400)

/** Sends a large message that is compressed. */
async function sendLarge(mq: EngineMQ, fields: object = {}): Promise<void> {
  const producer = await mq.createProducer({ group: 'reports', compressMsgBodyOverHowmuchBytes: 4096 })
  await producer.send({ topic: 'orders', body: LARGE, ...fields })
}

const compression: readonly ConformanceRule[] = [
  rule('2.7', 'A compressed body is consumed as it was sent', async (world) => {
    const mq = await world.openShop()
    const { texts } = await subscribe(mq)
    await sendLarge(mq)
    await mq.until('it is consumed', () => texts().length === 1)
    assert.deepEqual(texts(), [LARGE])
  }),
  rule('2.7', 'A compressed body is pulled and looked up as it was sent', async (world) => {
    const mq = await world.openShop()
    await sendLarge(mq, { keys: 'k', properties: { region: 'eu' } })
    const [pulled] = await storedMessages(mq)
    const [found] = await mq.admin.queryMessagesByKey('orders', 'k')
    for (const message of [pulled!, found!]) {
      assert.equal(message.text(), LARGE)
      assert.deepEqual({ ...message.properties }, { region: 'eu' })
      assert.ok(message.storeSize < LARGE.length / 2)
    }
  }),
  rule(
    '2.7',
    'A compressed body comes again as it was sent, and is in the dead letter',
    { needs: ['virtualTime'] },
    async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, { maxReconsumeTimes: 1, listener: failing() })
      await sendLarge(mq)
      await mq.advance('1m')
      const [letter] = await mq.admin.deadLetters('billing')
      assert.deepEqual([...texts(), letter?.text()], [LARGE, LARGE, LARGE])
    },
  ),
  rule('2.7', 'A compressed body may be delayed', { needs: ['delay', 'virtualTime'] }, async (world) => {
    const mq = await world.openShop()
    await sendLarge(mq, { delayTimeLevel: 1 })
    await mq.advance('2s')
    assert.deepEqual(textsOf(await storedMessages(mq)), [LARGE])
  }),
  rule('2.7', 'The limit of a message counts its body before it is compressed', async (world) => {
    const mq = await world.openShop()
    await refused('MESSAGE_ILLEGAL', () => sendLarge(mq, { body: Buffer.alloc(4 * 1024 * 1024 + 1) }))
    assert.deepEqual(await storedMessages(mq), [])
  }),
  rule('2.7', 'A batch is not compressed', async (world) => {
    const mq = await world.openShop()
    const producer = await mq.createProducer({ group: 'reports', compressMsgBodyOverHowmuchBytes: 4096 })
    await producer.send([{ topic: 'orders', body: LARGE }])
    const [message] = await storedMessages(mq)
    assert.equal(message!.text(), LARGE)
    assert.ok(message!.storeSize > LARGE.length)
  }),
  rule('2.7', 'Without the option nothing is compressed', { differs: true }, async (world) => {
    const mq = await world.openShop()
    const producer = await mq.producer()
    await producer.send({ topic: 'orders', body: LARGE })
    const [message] = await storedMessages(mq)
    assert.ok(message!.storeSize > LARGE.length)
  }),
]

const WINDOW_MS = 60_000
const once = { needs: ['deduplication'], differs: true } as const
const onceInTime = { needs: ['deduplication', 'virtualTime'], differs: true } as const
const onceReopened = { needs: ['deduplication', 'durable', 'reopen'], differs: true } as const
const onceCrashed = { needs: ['deduplication', 'durable', 'crash'], differs: true } as const
const messageId = messageIdFor('o-42 paid')

/** A shop that looks for duplicates. */
const openOnce = (world: ConformanceWorld): Promise<EngineMQ> =>
  world.openShop(1, { deduplicationWindowMs: WINDOW_MS })

/** Sends it under the id; whether it was a repetition. */
async function sendOnce(mq: EngineMQ, body = 'x', id = messageId): Promise<boolean> {
  const producer = await mq.producer()
  const receipt = await producer.send({ topic: 'orders', body }, { messageId: id })
  assert.equal(receipt.messageId, id)
  return receipt.isDuplicate === true
}

const REFUSED: readonly (readonly [string, object | readonly object[], MQErrorCode, string?])[] = [
  ['A batch', [order], 'MESSAGE_ILLEGAL'],
  ['A delayed message', { ...order, delayTimeLevel: 1 }, 'MESSAGE_ILLEGAL'],
  ['What is no id', order, 'INVALID_PARAMETER', 'o-42'],
]

const duplicates: readonly ConformanceRule[] = [
  rule(
    '3.2',
    'A repeated send stores nothing, and answers what the first one was answered',
    once,
    async (world) => {
      const mq = await openOnce(world)
      const producer = await mq.producer()
      const first = await producer.send(order, { messageId })
      const again = await producer.send(order, { messageId })
      assert.deepEqual([first.isDuplicate, again.isDuplicate], [undefined, true])
      assert.deepEqual([again.queueOffset, again.offsetMessageId], [first.queueOffset, first.offsetMessageId])
      assert.equal((await storedMessages(mq)).length, 1)
    },
  ),
  rule('3.2', 'Of sends at the same time with one id one is stored', once, async (world) => {
    const mq = await openOnce(world)
    const repeated = await Promise.all([1, 2, 3, 4].map(() => sendOnce(mq)))
    assert.deepEqual(repeated.filter((isDuplicate) => !isDuplicate).length, 1)
    assert.equal((await storedMessages(mq)).length, 1)
  }),
  rule('3.2', 'A send is no repetition when the window is over', onceInTime, async (world) => {
    const mq = await openOnce(world)
    await sendOnce(mq)
    await mq.advance(WINDOW_MS - 1)
    assert.equal(await sendOnce(mq), true)
    await mq.advance(1)
    assert.equal(await sendOnce(mq), false)
    assert.equal((await storedMessages(mq)).length, 2)
  }),
  rule('3.2', 'A repetition is found after a restart', onceReopened, async (world) => {
    const before = await openOnce(world)
    await sendOnce(before)
    const after = await world.reopen(before)
    assert.equal(await sendOnce(after), true)
    assert.equal((await storedMessages(after)).length, 1)
  }),
  rule('3.2', 'A send that a crash left in doubt may be repeated', onceCrashed, async (world) => {
    const before = await openOnce(world)
    await sendOnce(before, 'a')
    const inDoubt = sendOnce(before, 'b', messageIdFor('b'))
    inDoubt.catch(() => undefined)
    const after = await world.crash(before)
    await sendOnce(after, 'b', messageIdFor('b'))
    assert.equal(await sendOnce(after, 'a'), true)
    assert.deepEqual(textsOf(await storedMessages(after)), ['a', 'b'])
  }),
  rule('3.2', 'A send that a power cut took may be repeated', onceCrashed, async (world) => {
    const before = await openOnce(world)
    await sendOnce(before)
    const after = await world.crash(before, 'power')
    await sendOnce(after)
    assert.deepEqual(textsOf(await storedMessages(after)), ['x'])
  }),
  rule('3.2', 'An id counts for its topic', once, async (world) => {
    const mq = await openOnce(world)
    await mq.admin.createTopic({ topic: 'audit', queues: 1 })
    await sendOnce(mq)
    const producer = await mq.producer()
    assert.equal((await producer.send({ topic: 'audit', body: 'x' }, { messageId })).isDuplicate, undefined)
  }),
  rule('3.2', 'A topic that is deleted takes the ids along that were sent to it', once, async (world) => {
    const mq = await openOnce(world)
    await sendOnce(mq, 'before')
    await mq.admin.deleteTopic('orders')
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    assert.deepEqual([await sendOnce(mq, 'behind'), await sendOnce(mq, 'again')], [false, true])
    assert.deepEqual(textsOf(await storedMessages(mq)), ['behind'])
  }),
  rule('3.2', 'Sends with ids of their own keep the order of the calls', once, async (world) => {
    const mq = await openOnce(world)
    await Promise.all(numbers(20).map((text) => sendOnce(mq, text, messageIdFor(text))))
    assert.deepEqual(textsOf(await storedMessages(mq)), numbers(20))
  }),
  ...REFUSED.map(([what, message, code, id = messageId]) =>
    rule('3.2', `${what} cannot be sent under a messageId`, once, async (world) => {
      const mq = await openOnce(world)
      const producer = await mq.producer()
      await refused(code, () => producer.send(message as never, { messageId: id }))
      assert.deepEqual(await storedMessages(mq), [])
    }),
  ),
  rule('3.2', 'A messageId is refused where nothing looks for duplicates', once, async (world) => {
    const mq = await world.openShop()
    await refused('UNSUPPORTED', () => sendOnce(mq))
    assert.deepEqual(await storedMessages(mq), [])
  }),
]

const others: readonly ConformanceRule[] = [
  rule('3.2', 'A producer waits for one-way sends when it closes', async (world) => {
    const mq = await world.openShop()
    const producer = await mq.createProducer({ group: 'hints' })
    for (const text of numbers(5)) producer.sendOneway({ topic: 'orders', body: text })
    await producer.close()
    assert.deepEqual(textsOf(await storedMessages(mq)), numbers(5))
    assert.deepEqual([producer.stats.onewayOutstandingCount, producer.stats.onewayFailedCount], [0, 0])
  }),
]

export const sendDetails: ConformanceChapter = {
  title: 'Sending: hooks, compression, duplicates',
  rules: [...hooks, ...compression, ...duplicates, ...others],
}
