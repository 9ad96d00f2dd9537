/** Loops over the messages of a lite pull consumer, and how a consumer ends. */
import { strict as assert } from 'node:assert'
import { committed, numbers, queueOf, refused, send, textsOf } from '../kit.ts'
import { drain, LONG_MS, lite, numbersFrom, openLite } from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

/** The next message of a loop that is told to go on. */
async function nextText(messages: AsyncIterator<{ text(): string }, undefined>): Promise<string | undefined> {
  return (await messages.next()).value?.text()
}

export const liteLoops: ConformanceChapter = {
  title: 'Lite pull consumers: loops and their end',
  rules: [
    rule(
      '8.1',
      'A loop gets the messages one by one, and its coming back commits',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 5)
        const messages = consumer.messages()
        for (const text of numbers(3)) assert.equal(await nextText(messages), text)
        await mq.until('what it came back from is committed', async () => (await committed(mq)) === 2)
        await mq.rest()
        assert.equal(await committed(mq), 2)
      },
    ),
    rule('8.1', 'A loop that was left goes on in the next one or poll', { differs: true }, async (world) => {
      const { mq, consumer } = await openLite(world, 4, { pullBatchSize: 1 })
      for await (const message of consumer) if (message.text() === '1') break
      assert.deepEqual(textsOf(await consumer.poll()), ['2'])
      await mq.until('the poll came back from it', async () => (await committed(mq)) === 2)
      for await (const message of consumer.messages()) {
        assert.equal(message.text(), '3')
        break
      }
    }),
    rule(
      '8.1',
      'A loop that fails leaves its message to the next consumer',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 4)
        const looping = async (): Promise<void> => {
          for await (const message of consumer) if (message.text() === '1') throw new Error('no price')
        }
        await assert.rejects(looping(), /no price/)
        await consumer.close()
        assert.deepEqual(await drain(mq, await lite(mq), 3), ['1', '2', '3'])
      },
    ),
    rule('8.1', 'A loop waits for messages, until its signal fires', { differs: true }, async (world) => {
      const { mq, consumer } = await openLite(world, 1)
      const ending = new AbortController()
      const seen: string[] = []
      const looping = (async () => {
        for await (const message of consumer.messages({ signal: ending.signal })) seen.push(message.text())
      })()
      await mq.until('the first came', () => seen.length === 1)
      await send(mq, 'later')
      await mq.until('the second came', () => seen.length === 2)
      ending.abort()
      await looping
      assert.deepEqual(seen, ['0', 'later'])
    }),
    rule('8.1', 'Nobody who takes nothing lets more be fetched than the thresholds allow', async (world) => {
      const { mq, consumer } = await openLite(world, 50, { pullThresholdForQueue: 6, pullBatchSize: 3 })
      const messages = consumer.messages()
      assert.equal(await nextText(messages), '0')
      await mq.rest()
      consumer.pause([await queueOf(mq)])
      // What is polled now was fetched before. A pull that was allowed may have brought a batch beyond the bound.
      const fetched = 1 + (await drain(mq, consumer, 0)).length
      assert.ok(fetched >= 6 && fetched <= 9, `${fetched} were fetched`)
    }),
    rule(
      '8.1',
      'Close ends polls and loops that wait, and refuses what comes',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 0, { autoCommit: false })
        const queue = await queueOf(mq)
        const polling = consumer.poll({ timeoutMs: LONG_MS })
        const looping = consumer.messages().next()
        await mq.rest()
        await consumer.close()
        assert.deepEqual([await polling, await looping], [[], { done: true, value: undefined }])
        const calls: (() => unknown)[] = [
          () => consumer.poll(),
          () => consumer.commit(),
          () => consumer.committed(queue),
          () => consumer.position(queue),
          () => consumer.seek(queue, 0),
          () => consumer.seekToBegin(queue),
          () => consumer.pause([queue]),
          () => consumer.assign([queue]),
          () => consumer.fetchMessageQueues('orders'),
          () => consumer.offsetForTimestamp(queue, 0),
          () => consumer.onQueuesChanged('orders', () => undefined),
        ]
        for (const call of calls) await refused('CLOSED', call)
      },
    ),
    rule(
      '8.1',
      'Close commits what the application came back from, and no more',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 20, { pullBatchSize: 4 })
        for (let poll = 0; poll < 2; poll++) await consumer.poll()
        await consumer.close()
        assert.equal(await committed(mq), 4)
        assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
      },
    ),
    rule('8.1', 'The signal of a consumer closes it', { differs: true }, async (world) => {
      const ending = new AbortController()
      const { signal } = ending
      const { mq, consumer } = await openLite(world, 0, { signal })
      ending.abort()
      await mq.until('it has left', async () => (await mq.engine.queryConsumerIds('billing')).length === 0)
      await refused('CLOSED', () => consumer.poll())
      await refused('ABORTED', () => lite(mq, { signal }))
    }),
    rule('8.1', 'What was committed is committed after a restart', { needs: ['reopen'] }, async (world) => {
      const { mq, consumer } = await openLite(world, 20, { autoCommit: false })
      await consumer.poll()
      await consumer.commit()
      await consumer.poll()
      const reopened = await world.reopen(mq)
      assert.deepEqual(await drain(reopened, await lite(reopened), 10), numbersFrom(10, 10))
    }),
    rule(
      '8.1',
      'A crash repeats what was not committed, and nothing else',
      { needs: ['crash'] },
      async (world) => {
        const { mq, consumer } = await openLite(world, 20, { pullBatchSize: 5 })
        await consumer.poll()
        await consumer.commit()
        await consumer.poll()
        const left = await world.crash(mq)
        assert.deepEqual(await drain(left, await lite(left), 15), numbersFrom(5, 15))
      },
    ),
  ],
}
