import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../helpers/manual-clock.ts'
import { openBroker, openShop, type TestBroker } from './set-up.ts'

const RETRY_TOPIC = '%RETRY%billing'

/** Opens a shop on disk, lets the test use it, closes it, and opens it anew. */
async function reopen(use: (shop: TestBroker) => Promise<void>): Promise<TestBroker> {
  const path = await mkdtemp(join(tmpdir(), 'pocketmq-broker-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  const clock = new ManualClock()
  const shop = await openShop({}, { path, clock })
  await use(shop)
  await shop.close()
  return openBroker({}, { path, clock })
}

describe('A broker that is opened again', () => {
  test('knows topics, groups and offsets, but no members', async () => {
    const shop = await reopen(async (before) => {
      await before.send()
      await before.broker.updateConsumerOffset('billing', before.queue(), 1)
    })
    expect((await shop.broker.queryTopics()).map(({ topic }) => topic)).toEqual([RETRY_TOPIC, 'orders'])
    expect((await shop.broker.queryGroups()).map(({ group }) => group)).toEqual(['billing'])
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(1)
    expect(await shop.broker.queryConsumerIds('billing')).toEqual([])
  })

  test('delivers a retry that was pending, once, at the time that was set', async () => {
    const shop = await reopen(async (before) => {
      await before.send({ body: 'order 42' })
      await before.fail(await before.view())
      await before.clock.advance(4000)
    })
    await shop.clock.advance(5999)
    expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(0)
    await shop.clock.advance(1)
    await expect.poll(() => shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(1)
    expect((await shop.view(RETRY_TOPIC)).text()).toBe('order 42')
    expect((await shop.broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
  })

  test('delivers at once what became due while it was closed', async () => {
    const shop = await reopen(async (before) => {
      await before.send()
      await before.fail(await before.view())
      before.clock.jump(3_600_000)
    })
    await shop.clock.advance(0)
    await expect.poll(() => shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(1)
  })

  test('pulls from the disk what it pulled from memory before', async () => {
    const shop = await reopen(async (before) => {
      await before.sendTags('a', 'b', 'a')
    })
    const result = await shop.pull()
    expect(result).toMatchObject({ status: 'FOUND', nextBeginOffset: 3 })
    expect(result.messages.map((message) => message.tag)).toEqual(['a', 'b', 'a'])
  })
})
