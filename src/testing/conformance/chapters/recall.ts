/** Delayed messages that are taken back, looked at, moved, or delivered before their time. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { refused, send } from '../kit.ts'
import { arrived, delayed, SOON_MS, sendIn, type TimedReceipt } from '../kit-delays.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const inTime = { needs: delayed } as const
const inTimeDiffering = { needs: delayed, differs: true } as const
const offline = { needs: ['delay'] } as const
const offlineDiffering = { needs: ['delay'], differs: true } as const

async function recall(
  mq: EngineMQ,
  { recallHandle }: Pick<TimedReceipt, 'recallHandle'>,
  topic = 'orders',
): Promise<string> {
  return (await mq.producer()).recall(topic, recallHandle)
}

const recalls: readonly ConformanceRule[] = [
  rule('10.3', 'What is recalled never comes, and its id is answered', inTime, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    assert.equal(await recall(mq, sent), sent.messageId)
    await mq.advance('1h')
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('10.3', 'The others of the same time come', inTime, async (world) => {
    const mq = await world.openShop()
    const [, second] = [await sendIn(mq, '1m', 'a'), await sendIn(mq, '1m', 'b'), await sendIn(mq, '1m', 'c')]
    await recall(mq, second)
    await mq.advance(60_000 + SOON_MS)
    assert.deepEqual([...(await arrived(mq))].sort(), ['a', 'c'])
  }),
  rule('10.3', 'It may be recalled up to the millisecond before its time', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    await mq.advance(59_999)
    await recall(mq, sent)
    await mq.advance('1m')
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('10.3', 'A second recall is refused', offlineDiffering, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    await recall(mq, sent)
    await refused('ILLEGAL_OPERATION', () => recall(mq, sent))
  }),
  rule('10.3', 'Of two recalls at a time one succeeds', offlineDiffering, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    const both = await Promise.allSettled([recall(mq, sent), recall(mq, sent)])
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  }),
  rule('10.3', 'A recall after the delivery is refused', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    await mq.advance('1m')
    await refused('ILLEGAL_OPERATION', () => recall(mq, sent))
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('10.3', 'A handle is good for its own topic only', inTime, async (world) => {
    const mq = await world.openShop(1, { topics: [{ topic: 'others', queues: 1 }] })
    const sent = await sendIn(mq, '1m')
    await refused('ILLEGAL_OPERATION', () => recall(mq, sent, 'others'))
    await mq.advance(60_000 + SOON_MS)
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('10.3', 'What is no handle is refused', offline, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    for (const recallHandle of ['x', 'djEgb3JkZXJz', sent.messageId])
      await refused('ILLEGAL_OPERATION', () => recall(mq, { recallHandle }))
  }),
  rule(
    '10.3',
    'A message that was sent with a level, or for a time that is over, has no handle',
    offline,
    async (world) => {
      const mq = await world.openShop()
      const [byLevel] = await send(mq, 'x', { delayTimeLevel: 3 })
      const [atOnce] = await send(mq, 'x', { deliveryTimestamp: 1 })
      assert.deepEqual([byLevel?.recallHandle, atOnce?.recallHandle], [undefined, undefined])
    },
  ),
  rule(
    '10.3',
    'A handle is good behind a restart',
    { needs: [...delayed, 'durable', 'reopen'] },
    async (world) => {
      const before = await world.openShop()
      const sent = await sendIn(before, '1m')
      const mq = await world.reopen(before)
      assert.equal(await recall(mq, sent), sent.messageId)
      await mq.advance('1h')
      assert.deepEqual(await arrived(mq), [])
    },
  ),
  rule(
    '10.3',
    'What was recalled stays away after a kill',
    { needs: [...delayed, 'durable', 'crash'] },
    async (world) => {
      const before = await world.openShop()
      await recall(before, await sendIn(before, '1m'))
      const mq = await world.crash(before)
      await mq.advance('1h')
      assert.deepEqual(await arrived(mq), [])
    },
  ),
]

async function waitingTexts(mq: EngineMQ, range = {}): Promise<string[]> {
  return (await mq.admin.delayedMessages('orders', range)).map(({ message }) => message.text())
}

const queries: readonly ConformanceRule[] = [
  rule(
    '10',
    'What waits for a topic can be seen, earliest first, within times and up to a number',
    offlineDiffering,
    async (world) => {
      const mq = await world.openShop(2, { topics: [{ topic: 'others', queues: 1 }] })
      const start = mq.now()
      for (const seconds of [30, 10, 20]) await sendIn(mq, seconds * 1000, String(seconds))
      await sendIn(mq, '5s', 'other', { topic: 'others' })
      assert.deepEqual(await waitingTexts(mq), ['10', '20', '30'])
      assert.deepEqual(await waitingTexts(mq, { begin: start + 15_000, end: start + 25_000 }), ['20'])
      assert.deepEqual(await waitingTexts(mq, { max: 2 }), ['10', '20'])
    },
  ),
  rule('10', 'It shows what was sent, when it comes, and the handle', offlineDiffering, async (world) => {
    const mq = await world.openShop()
    const { messageId, deliveryTimestamp, recallHandle } = await sendIn(mq, '1m', 'x', { tag: 'paid' })
    const [found] = await mq.admin.delayedMessages('orders')
    assert.deepEqual(
      [found?.message.messageId, found?.message.tag, found?.deliveryTimestamp, found?.recallHandle],
      [messageId, 'paid', deliveryTimestamp, recallHandle],
    )
  }),
  rule(
    '10',
    'The handle that it shows recalls a message with a level as well',
    inTimeDiffering,
    async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x', { delayTimeLevel: 3 })
      const [found] = await mq.admin.delayedMessages('orders')
      await recall(mq, { recallHandle: found!.recallHandle })
      await mq.advance('1m')
      assert.deepEqual(await arrived(mq), [])
    },
  ),
  rule('10', 'What came or was recalled is not there any more', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    await sendIn(mq, '10s', 'comes')
    await recall(mq, await sendIn(mq, '20s', 'recalled'))
    await mq.advance('10s')
    assert.deepEqual(await waitingTexts(mq), [])
  }),
  rule('10', 'A topic that does not exist has nothing to show', offlineDiffering, async (world) => {
    const mq = await world.open({ autoCreateTopicEnable: false })
    await refused('TOPIC_NOT_EXIST', () => mq.admin.delayedMessages('orders'))
  }),
]

const moves: readonly ConformanceRule[] = [
  ...(['10s', '1m', '5m'] as const).map((delay) =>
    rule('10', `A message that comes in 1m can be moved to ${delay}`, inTimeDiffering, async (world) => {
      const mq = await world.openShop()
      const { recallHandle, messageId } = await sendIn(mq, '1m')
      const ms = { '10s': 10_000, '1m': 60_000, '5m': 300_000 }[delay]
      await mq.admin.rescheduleMessage('orders', recallHandle, mq.now() + ms)
      await mq.advance(ms - 1)
      assert.deepEqual(await arrived(mq), [])
      await mq.advance(1)
      assert.deepEqual(
        (await mq.admin.browse('orders')).map((message) => message.messageId),
        [messageId],
      )
      await mq.advance('1h')
      assert.deepEqual(await arrived(mq), ['x'])
    }),
  ),
  rule('10', 'Moved to a time that is over, it comes at once', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const { recallHandle } = await sendIn(mq, '1m')
    await mq.admin.rescheduleMessage('orders', recallHandle, 0)
    await mq.rest()
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule('10', 'Moving makes the old handle void, and answers a new one', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const sent = await sendIn(mq, '1m')
    const recallHandle = await mq.admin.rescheduleMessage('orders', sent.recallHandle, mq.now() + 90_000)
    await refused('ILLEGAL_OPERATION', () => recall(mq, sent))
    assert.equal(await recall(mq, { recallHandle }), sent.messageId)
    await mq.advance('1h')
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('10', 'What was moved shows the time that it was moved to', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const { recallHandle } = await sendIn(mq, '1m')
    const deliveryTimestamp = mq.now() + 90_000
    await mq.admin.rescheduleMessage('orders', recallHandle, deliveryTimestamp)
    const [waiting] = await mq.admin.delayedMessages('orders', { max: 1 })
    await mq.advance('2m')
    const [come] = await mq.admin.browse('orders')
    assert.deepEqual(
      [waiting?.message.deliveryTimestamp, come?.deliveryTimestamp, come?.text()],
      [deliveryTimestamp, deliveryTimestamp, 'x'],
    )
  }),
  rule('10', 'It cannot be moved further ahead than it could be sent', offlineDiffering, async (world) => {
    const mq = await world.openShop(1, { timerMaxDelayMs: 120_000 })
    const { recallHandle } = await sendIn(mq, '1m')
    const move = (ms: number) => mq.admin.rescheduleMessage('orders', recallHandle, mq.now() + ms)
    await refused('MESSAGE_ILLEGAL', () => move(121_000))
    await move(120_000)
  }),
  rule(
    '10',
    'Delivered now, it is in its queue when that is answered, and comes once',
    inTimeDiffering,
    async (world) => {
      const mq = await world.openShop()
      const sent = await sendIn(mq, '1m')
      assert.equal(await mq.admin.deliverMessageNow('orders', sent.recallHandle), sent.messageId)
      assert.deepEqual(await arrived(mq), ['x'])
      await refused('ILLEGAL_OPERATION', () => recall(mq, sent))
      await mq.advance('1h')
      assert.deepEqual(await arrived(mq), ['x'])
    },
  ),
  rule(
    '10',
    'What came or was recalled can neither be moved nor delivered',
    inTimeDiffering,
    async (world) => {
      const mq = await world.openShop()
      const [came, recalled] = [await sendIn(mq, '10s', 'came'), await sendIn(mq, '1m', 'recalled')]
      await mq.advance('10s')
      await recall(mq, recalled)
      for (const { recallHandle } of [came, recalled]) {
        const move = () => mq.admin.rescheduleMessage('orders', recallHandle, mq.now() + 1000)
        await refused('ILLEGAL_OPERATION', move)
        await refused('ILLEGAL_OPERATION', () => mq.admin.deliverMessageNow('orders', recallHandle))
      }
      await mq.advance('1h')
      assert.deepEqual(await arrived(mq), ['came'])
    },
  ),
  rule(
    '10',
    'What was moved stays where it is after a kill',
    { needs: [...delayed, 'durable', 'crash'], differs: true },
    async (world) => {
      const before = await world.openShop()
      const { recallHandle } = await sendIn(before, '1m')
      await before.admin.rescheduleMessage('orders', recallHandle, before.now() + 300_000)
      const mq = await world.crash(before)
      await mq.advance(299_999)
      assert.deepEqual(await arrived(mq), [])
      await mq.advance(1)
      assert.deepEqual(await arrived(mq), ['x'])
    },
  ),
]

export const recalling: ConformanceChapter = {
  title: 'Recalling and moving delayed messages',
  rules: [...recalls, ...queries, ...moves],
}
