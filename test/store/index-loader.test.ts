import { MemoryLevel } from 'memory-level'
import { expect, test } from 'vitest'
import { emptyAppliedState, summarize } from '../../src/store/applied-state.ts'
import { checkSummary, loadIndex } from '../../src/store/index-loader.ts'
import * as keys from '../../src/store/keyspace.ts'
import type { Database } from '../../src/store/medium.ts'
import { encodeGeneration, encodeQueueState, sealRow } from '../../src/store/row.ts'
import { mqError } from '../helpers/expect-error.ts'

const QUEUE = { minOffset: 0, maxOffset: 3, lastStoreTimestamp: 1 }
const START = { firstSeq: 1, timestamp: 1, logBytes: 0 }
const [HERE, GONE] = [1, 2]

/** An index whose summary says: one topic, one queue, and everything before generation 5 is trimmed. */
async function openIndex() {
  const level = new MemoryLevel<Buffer, Buffer>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const put = (key: Buffer, content: Buffer) => level.put(key, sealRow(key, content))
  const state = { ...emptyAppliedState(), trimmedGeneration: 5 }
  const config = { topic: 'orders', readQueueNums: 1, writeQueueNums: 1, permission: 6 } as const
  state.topics.set(HERE, config)
  state.generations.push({ generation: 5, ...START })
  state.queues.set(keys.queueUidOf(HERE, 0), QUEUE)
  await put(keys.summaryKey, Buffer.from(JSON.stringify(summarize(state))))
  await put(keys.topicKey(HERE), Buffer.from(JSON.stringify({ uid: HERE, config })))
  await put(keys.generationKey(5), encodeGeneration(START))
  await put(keys.stateKey(keys.queueUidOf(HERE, 0)), encodeQueueState(QUEUE))
  return { put, index: { level } as unknown as Database }
}

test('Rows that a failed flush brought back, of what was trimmed and of a topic that is gone, are passed over', async () => {
  const { put, index } = await openIndex()
  await put(keys.generationKey(3), encodeGeneration(START))
  await put(keys.stateKey(keys.queueUidOf(GONE, 0)), encodeQueueState(QUEUE))
  const loaded = await loadIndex(index)
  expect(() => checkSummary(loaded)).not.toThrow()
  expect(loaded.state.generations.map(({ generation }) => generation)).toEqual([5])
  expect([...loaded.state.queues.keys()]).toEqual([keys.queueUidOf(HERE, 0)])
})

test('A row more than the summary counted, of what is there, is damage', async () => {
  const { put, index } = await openIndex()
  await put(keys.generationKey(6), encodeGeneration(START))
  const loaded = await loadIndex(index)
  const text = 'its generationCount should be 1 and is 2'
  expect(() => checkSummary(loaded)).toThrow(mqError('STORE_CORRUPTED', text))
})
