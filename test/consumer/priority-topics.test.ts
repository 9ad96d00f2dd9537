import { describe, expect, test } from 'vitest'
import { PriorityTopics } from '../../src/consumer/priority-topics.ts'
import { ProcessQueue } from '../../src/consumer/process-queue.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { TopicConfig } from '../../src/model/topic.ts'
import { type ClientHost, openHost } from '../helpers/client-host.ts'
import { Signal } from '../helpers/signal.ts'

const route = (topic: string, priority?: boolean) => ({
  topic,
  queues: [],
  writeQueues: [],
  readQueues: [],
  priority,
})

function waiting(queueId: number, topic = 'orders', count = 1): ProcessQueue {
  const queue = new ProcessQueue({ topic, brokerName: 'a', queueId }, 0, () => undefined)
  const messages = Array.from({ length: count }, (_, queueOffset) => ({ queueOffset, storeSize: 1 }))
  queue.append(messages as MessageView[], count)
  return queue
}

const idsOf = (queues: readonly ProcessQueue[]) => queues.map(({ queue }) => queue.queueId)

describe('The queue that goes in a turn', () => {
  const topics = new PriorityTopics()
  topics.note(route('orders', true))
  topics.note(route('plain'))

  test('is the highest that waits, which leaves its place to the one whose turn it was', () => {
    const ready = [waiting(3), waiting(0, 'plain'), waiting(5), waiting(4)]
    const inTurn = waiting(1)
    expect(topics.takeTurn(ready, inTurn).queue.queueId).toBe(5)
    expect(idsOf(ready)).toEqual([3, 0, 1, 4])
  })

  test('is its own when it is the highest, when nothing else waits, and in an ordinary topic', () => {
    const ready = [waiting(3), waiting(9, 'plain')]
    expect(topics.takeTurn(ready, waiting(4)).queue.queueId).toBe(4)
    expect(topics.takeTurn([], waiting(1)).queue.queueId).toBe(1)
    expect(topics.takeTurn(ready, waiting(1, 'plain')).queue.queueId).toBe(1)
    expect(idsOf(ready)).toEqual([3, 9])
  })

  test('is none that has been given back', async () => {
    const dropped = waiting(9)
    await dropped.drop()
    expect(topics.takeTurn([dropped, waiting(2)], waiting(1)).queue.queueId).toBe(2)
  })

  test('is its own again when the topic is an ordinary one', () => {
    const changing = new PriorityTopics()
    changing.note(route('orders', true))
    changing.note(route('orders'))
    expect(changing.takeTurn([waiting(9)], waiting(1)).queue.queueId).toBe(1)
  })
})

const ordinary: TopicConfig = { topic: 'orders', readQueueNums: 10, writeQueueNums: 10, permission: 6 }
const urgent: TopicConfig = { ...ordinary, priority: true }

interface Busy {
  readonly concurrency?: number
  readonly mode?: 'orderly'
  readonly messageModel?: 'clustering' | 'broadcasting'
}

/** A consumer that is busy with as many messages as it may be; what it is given when it may go on. */
async function busyConsumer(host: ClientHost, { concurrency = 1, ...options }: Busy = {}) {
  const texts: string[] = []
  const gate = new Signal()
  await host.consumer({
    concurrency,
    ...options,
    listener: async (message) => {
      texts.push(message.text())
      await gate.promise
    },
  })
  await host.send(Array(concurrency).fill('first'))
  await host.clock.settle()
  const goOn = async (): Promise<string[]> => {
    gate.resolve()
    await host.clock.settle()
    return texts.slice(concurrency)
  }
  return { goOn }
}

async function openPriorities(): Promise<ClientHost> {
  const host = await openHost()
  await host.broker.createTopic(urgent)
  return host
}

/** Sends messages named by their priority and a letter. */
async function sendEach(host: ClientHost): Promise<void> {
  const producer = await host.producer()
  for (const letter of ['a', 'b']) {
    for (const priority of [2, 9, 0, 5])
      await producer.send({ topic: 'orders', body: `${priority}${letter}`, priority })
  }
  await producer.close()
}

const URGENT_FIRST = ['9a', '9b', '5a', '5b', '2a', '2b', '0a', '0b']

describe('A push consumer of a priority topic', () => {
  test.each<Busy>([{ messageModel: 'clustering' }, { messageModel: 'broadcasting' }, { concurrency: 3 }])(
    'that is busy goes on with the most urgent: %j',
    async (options) => {
      const host = await openPriorities()
      const { goOn } = await busyConsumer(host, options)
      await sendEach(host)
      expect(await goOn()).toEqual(URGENT_FIRST)
    },
  )

  test('gives a listener of batches the most urgent queue first', async () => {
    const host = await openPriorities()
    const batches: string[][] = []
    const gate = new Signal()
    await host.consumer({
      concurrency: 1,
      consumeMessageBatchMaxSize: 10,
      listener: async (messages) => {
        batches.push(messages.map((message) => message.text()))
        await gate.promise
      },
    })
    await host.send(['first'])
    await host.clock.settle()
    await sendEach(host)
    gate.resolve()
    await host.clock.settle()
    expect(batches).toEqual([['first'], ['9a', '9b'], ['5a', '5b'], ['2a', '2b'], ['0a', '0b']])
  })

  test('learns when its topic becomes one', async () => {
    const host = await openHost()
    await host.broker.createTopic(ordinary)
    const { goOn } = await busyConsumer(host)
    await host.broker.updateTopic(urgent)
    await sendEach(host)
    expect(await goOn()).toEqual(URGENT_FIRST)
  })

  test('lets the queues of an ordinary topic take turns as ever', async () => {
    const host = await openHost()
    await host.broker.createTopic(ordinary)
    const { goOn } = await busyConsumer(host)
    for (const queueId of [9, 2, 5]) await host.send([`${queueId}a`, `${queueId}b`], {}, queueId)
    expect(await goOn()).toEqual(['9a', '2a', '5a', '9b', '2b', '5b'])
  })

  test('that is orderly lets queues take turns', async () => {
    const host = await openPriorities()
    const { goOn } = await busyConsumer(host, { mode: 'orderly' })
    for (const queueId of [2, 9, 5]) await host.send([`${queueId}a`, `${queueId}b`], {}, queueId)
    expect(await goOn()).toEqual(['2a', '9a', '5a', '2b', '9b', '5b'])
  })
})
