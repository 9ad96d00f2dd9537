import { PocketMQ } from 'pocketmq'
import { describe, expect, onTestFinished, test } from 'vitest'

/** What keeps this process running that an instance may have made. */
const ports = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length

async function openInMemory(keepAlive?: boolean): Promise<PocketMQ> {
  const mq = await PocketMQ.open({ storage: 'memory', keepAlive })
  onTestFinished(async () => {
    await mq.close()
  })
  return mq
}

const consume = { group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined }

describe('The process', () => {
  test('is kept running by open consumers, and by nothing else', async () => {
    const before = ports()
    const mq = await openInMemory()
    await mq.createProducer({ group: 'shop' })
    expect(ports()).toBe(before)
    const consumers = [await mq.createPushConsumer(consume), await mq.createPushConsumer(consume)]
    expect(ports()).toBeGreaterThan(before)
    await consumers[0]?.close()
    expect(ports()).toBeGreaterThan(before)
    await consumers[1]?.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(ports()).toBe(before)
  })

  test('may end although a consumer is open when keepAlive is false', async () => {
    const before = ports()
    const mq = await openInMemory(false)
    await mq.createPushConsumer(consume)
    expect(ports()).toBe(before)
  })
})
