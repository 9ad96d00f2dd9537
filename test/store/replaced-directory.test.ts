/** A directory that is taken away under an open store, and a check that must change nothing. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkStore, PocketMQ } from 'pocketmq'
import { describe, expect, test } from 'vitest'
import { mqError } from '../helpers/expect-error.ts'
import { temporaryDirectory } from './set-up.ts'

describe('A store whose directory was removed and made anew by somebody else', () => {
  test('says so when it closes, and leaves the new store alone', async () => {
    const directory = join(await temporaryDirectory(), 'data')
    const mq = await PocketMQ.open(directory)
    const producer = await mq.createProducer({ group: 'senders' })
    await producer.send({ topic: 'orders', body: 'first' })

    await rm(directory, { recursive: true })
    await mkdir(join(directory, 'journal'), { recursive: true })
    const files = {
      'STORE.json': '{}',
      LEASE: '{"pid":1,"host":"elsewhere"}',
      'journal/0000000001.journal': 'theirs',
    }
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)

    await expect(mq.close()).rejects.toThrow(mqError('STORE_FAILED'))
    for (const [name, content] of Object.entries(files)) {
      expect(await readFile(join(directory, name), 'utf8'), name).toBe(content)
    }
  })
})

describe('The check of a closed store', () => {
  test('removes nothing, however old the messages are', async () => {
    const directory = join(await temporaryDirectory(), 'data')
    const long = { maxAgeMs: Number.POSITIVE_INFINITY }
    let now = Date.UTC(2020, 0, 1)
    const clock = {
      now: () => now,
      monotonicMs: () => performance.now(),
      setTimer: () => ({ cancel: () => undefined }),
      defer: (callback: () => void) => void setImmediate(callback),
    }
    const mq = await PocketMQ.open(directory, { retention: long, clock })
    const producer = await mq.createProducer({ group: 'senders' })
    await producer.send({ topic: 'orders', body: 'old' })
    now += 400 * 24 * 3_600_000
    await producer.send({ topic: 'orders', body: 'not quite as old' })
    await mq.close()

    expect(await checkStore(directory)).toMatchObject({ ok: true, messageCount: 2 })
    expect(await checkStore(directory)).toMatchObject({ ok: true, messageCount: 2 })
  })

  test('refuses a path that holds no store, and makes none', async () => {
    const directory = join(await temporaryDirectory(), 'nothing')
    await expect(checkStore(directory)).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await expect(readdir(directory)).rejects.toThrow('ENOENT')
  })
})
