import { expect, test } from 'vitest'
import { ConsumeCounts } from '../../src/consumer/consume-counts.ts'
import { ConcurrentDispatcher } from '../../src/consumer/dispatcher-concurrent.ts'
import { ProcessQueue } from '../../src/consumer/process-queue.ts'
import type { MessageView } from '../../src/model/message.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

const queue = { topic: 'orders', brokerName: 'a', queueId: 0 }

test('A dispatcher goes on after something in it threw', () => {
  const seen: number[] = []
  const dispatcher = new ConcurrentDispatcher({
    clock: new ManualClock(),
    group: 'billing',
    listener: { kind: 'single', listen: ({ queueOffset }) => void seen.push(queueOffset) },
    concurrency: 1,
    consumeTimeoutMs: 1000,
    counts: new ConsumeCounts(),
    watch: undefined,
    failures: { fate: '', fail: () => undefined, redeliveryMs: () => undefined, stop: () => undefined },
    onWarning: () => undefined,
    onError: () => undefined,
  })
  const broken = new ProcessQueue(queue, 0, () => undefined)
  broken.append([{ queueOffset: 0, storeSize: 1 } as MessageView], 1)
  broken.messageAt = () => {
    throw new Error('broken')
  }
  const sound = new ProcessQueue(queue, 0, () => undefined)
  sound.append([{ queueOffset: 5, storeSize: 1 } as MessageView], 6)
  expect(() => dispatcher.offer(broken)).toThrow('broken')
  dispatcher.offer(sound)
  expect(seen).toEqual([5])
})
