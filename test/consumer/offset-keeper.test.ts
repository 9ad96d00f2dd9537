import { describe, expect, test } from 'vitest'
import { OffsetKeeper } from '../../src/consumer/offset-keeper.ts'
import type { Engine } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Signal } from '../helpers/signal.ts'

const queue = { topic: 'orders', brokerName: 'a', queueId: 0 }

function setUp(committedOffset = 0, mayGoBack = false) {
  const clock = new ManualClock()
  const source = { queue, committableOffset: 0 }
  const updates: number[] = []
  const errors: MQError[] = []
  const answers: (() => Promise<void>)[] = []
  const back: number[] = []
  const updateConsumerOffset = (
    _group: string,
    _queue: unknown,
    offset: number,
    mayGoBack?: boolean,
  ): Promise<void> => {
    updates.push(offset)
    if (mayGoBack === true) back.push(offset)
    return answers.shift()?.() ?? Promise.resolve()
  }
  const engine = { clock, updateConsumerOffset } as unknown as Engine
  const host = { engine, group: 'billing', onError: (error: MQError) => errors.push(error) }
  const keeper = new OffsetKeeper(host, source, committedOffset, mayGoBack)
  const progress = (offset: number): void => {
    source.committableOffset = offset
    keeper.onProgress()
  }
  return { clock, keeper, progress, updates, back, errors, answers }
}

describe('An offset keeper', () => {
  test('that was discarded commits nothing more, not even when it is closed', async () => {
    const { clock, keeper, progress, updates } = setUp()
    progress(3)
    keeper.discard()
    await keeper.close()
    await clock.settle()
    expect(updates).toEqual([])
  })

  test('makes one update of the progress of a whole turn', async () => {
    const { clock, progress, updates } = setUp()
    for (let offset = 1; offset <= 1000; offset++) progress(offset)
    expect(updates).toEqual([])
    await clock.settle()
    expect(updates).toEqual([1000])
  })

  test('has at most one update under way, and makes up for what it missed', async () => {
    const { clock, progress, updates, answers } = setUp()
    const stored = new Signal()
    answers.push(() => stored.promise)
    progress(1)
    await clock.settle()
    progress(2)
    progress(3)
    await clock.settle()
    expect(updates).toEqual([1])
    stored.resolve()
    await clock.settle()
    expect(updates).toEqual([1, 3])
  })

  test('commits nothing when nothing moved', async () => {
    const { clock, progress, updates } = setUp(7)
    progress(7)
    await clock.settle()
    expect(updates).toEqual([])
  })

  test('commits the first offset of a group that has none, also when it is 0', async () => {
    const { clock, progress, updates } = setUp(-1)
    progress(0)
    await clock.settle()
    expect(updates).toEqual([0])
  })

  test('tells of a failed update and tries again a second later', async () => {
    const { clock, progress, updates, errors, answers } = setUp()
    answers.push(() => Promise.reject(new MQError('WRITE_FAILED', 'no')))
    progress(1)
    await clock.settle()
    expect(errors).toEqual([expect.objectContaining({ code: 'WRITE_FAILED' })])
    progress(2)
    await clock.advance(999)
    expect(updates).toEqual([1])
    await clock.advance(1)
    expect(updates).toEqual([1, 2])
  })

  test('says nothing of a topic that was deleted', async () => {
    const { clock, progress, errors, answers } = setUp()
    answers.push(() => Promise.reject(new MQError('TOPIC_NOT_EXIST', 'gone')))
    progress(1)
    await clock.settle()
    expect(errors).toEqual([])
  })

  test('closes behind what the application commits meanwhile, and takes nothing more then', async () => {
    const { clock, keeper, updates, answers } = setUp()
    const stored = [new Signal(), new Signal()]
    for (const { promise } of stored) answers.push(() => promise)
    let isClosed = false
    void keeper.commit(1)
    const closing = keeper.close().then(() => {
      isClosed = true
    })
    void keeper.commit(2)
    stored[0]?.resolve()
    await clock.settle()
    expect([updates, isClosed]).toEqual([[1, 2], false])
    stored[1]?.resolve()
    await closing
    await keeper.commit(3)
    expect(updates).toEqual([1, 2])
  })

  test('commits for the last time when it is closed, behind the update that is under way', async () => {
    const { clock, keeper, progress, updates, answers } = setUp()
    const stored = new Signal()
    answers.push(() => stored.promise)
    progress(1)
    await clock.settle()
    progress(5)
    const closing = keeper.close()
    await clock.settle()
    expect(updates).toEqual([1])
    stored.resolve()
    await closing
    expect(updates).toEqual([1, 5])
    progress(6)
    await clock.settle()
    expect(updates).toEqual([1, 5])
  })

  test('closes even if the last update fails', async () => {
    const { keeper, progress, errors, answers } = setUp()
    answers.push(() => Promise.reject(new MQError('CLOSED', 'no')))
    progress(1)
    await keeper.close()
    expect(errors).toHaveLength(1)
  })

  test('commits nothing more once it is discarded', async () => {
    const { clock, keeper, progress, updates, answers } = setUp()
    answers.push(() => Promise.reject(new MQError('WRITE_FAILED', 'no')))
    progress(1)
    await clock.settle()
    keeper.discard()
    progress(2)
    await clock.advance(10_000)
    expect(updates).toEqual([1])
    expect(clock.timerCount).toBe(0)
  })

  test('commits what the application says, back or forth, after what is under way', async () => {
    const { clock, keeper, progress, updates, back, answers } = setUp()
    const stored = new Signal()
    answers.push(() => stored.promise)
    progress(8)
    await clock.settle()
    const commits = [keeper.commit(3), keeper.commit(5)]
    await clock.settle()
    expect(updates).toEqual([8])
    stored.resolve()
    await Promise.all(commits)
    expect([updates.slice(0, 3), back]).toEqual([[8, 3, 5], [3]])
  })

  test('lets its own commits wait for what the application says', async () => {
    const { clock, keeper, progress, updates, answers } = setUp()
    const stored = new Signal()
    answers.push(() => stored.promise)
    const committing = keeper.commit(3)
    await clock.settle()
    progress(5)
    await clock.settle()
    expect(updates).toEqual([3])
    stored.resolve()
    await committing
    await clock.settle()
    expect(updates).toEqual([3, 5])
  })

  test('rejects what the application says and could not be stored, and goes on', async () => {
    const { keeper, updates, errors, answers } = setUp()
    answers.push(() => Promise.reject(new MQError('SYSTEM_ERROR', 'no')))
    await expect(keeper.commit(4)).rejects.toThrow('no')
    await keeper.commit(4)
    expect([updates, errors]).toEqual([[4, 4], []])
  })

  test('of a source that begins where the application wants may go back with its first commit only', async () => {
    const { clock, progress, back, updates } = setUp(-1, true)
    progress(2)
    await clock.settle()
    progress(4)
    await clock.settle()
    expect([updates, back]).toEqual([[2, 4], [2]])
  })
})
