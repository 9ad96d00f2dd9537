import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProcessQueue } from '../../src/consumer/process-queue.ts'
import type { MessageView } from '../../src/model/message.ts'

const queue = { topic: 'orders', brokerName: 'a', queueId: 0 }
const noLimits = { maxCount: 1e9, maxBytes: 1e9, maxSpan: 1e9 }

function messagesAt(...offsets: number[]): MessageView[] {
  return offsets.map((queueOffset) => ({ queueOffset, storeSize: 100 }) as MessageView)
}

function processQueueAt(offset: number): ProcessQueue {
  return new ProcessQueue(queue, offset, () => undefined)
}

describe('A process queue', () => {
  test('may commit the lowest unfinished offset, whatever the order in which messages finish', () => {
    const processQueue = processQueueAt(5)
    processQueue.append(messagesAt(5, 6, 7, 8), 9)
    processQueue.take(4)
    const committable = [2, 0, 3, 1].map((sequence) => {
      processQueue.finish(sequence)
      return processQueue.committableOffset
    })
    expect(committable).toEqual([5, 6, 6, 9])
  })

  test('knows the offset of the first message that is not started, also when its ring is full', () => {
    const processQueue = processQueueAt(7)
    expect(processQueue.unstartedOffset).toBe(7)
    const offsets = Array.from({ length: 64 }, (_, i) => 10 + i)
    processQueue.append(messagesAt(...offsets), 90)
    expect(processQueue.unstartedOffset).toBe(10)
    processQueue.take(3)
    expect(processQueue.unstartedOffset).toBe(13)
    processQueue.take(61)
    expect(processQueue.unstartedOffset).toBe(90)
  })

  test('may commit what lies behind filtered messages once all before is finished', () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(3, 17), 40)
    expect(processQueue.committableOffset).toBe(3)
    processQueue.take(2)
    processQueue.finish(0)
    processQueue.finish(1)
    expect(processQueue.committableOffset).toBe(40)
    processQueue.moveTo(90)
    expect(processQueue.committableOffset).toBe(90)
  })

  test('lets who claims messages start them in any order, and says which are started', () => {
    const processQueue = processQueueAt(5)
    processQueue.append(messagesAt(5, 6, 7), 8)
    expect([processQueue.claim(), processQueue.waitingCount, processQueue.runningCount]).toEqual([3, 0, 0])
    expect(processQueue.startClaimed(2)).toBe(true)
    const states = () => [5, 6, 7, 8].map((offset) => processQueue.stateOf(offset))
    expect(states()).toEqual(['waiting', 'waiting', 'started', 'unfetched'])
    processQueue.unstart(2)
    expect([processQueue.runningCount, states()[2]]).toEqual([0, 'waiting'])
    processQueue.startClaimed(2)
    processQueue.finish(2)
    expect([processQueue.committableOffset, states()[2]]).toEqual([5, 'passed'])
    for (const sequence of [0, 1]) {
      processQueue.startClaimed(sequence)
      processQueue.finish(sequence)
    }
    expect(processQueue.committableOffset).toBe(8)
  })

  test('starts nothing that was claimed when it is dropped, and ends when what runs has settled', async () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0, 1), 2)
    processQueue.claim()
    processQueue.startClaimed(1)
    let isIdle = false
    const dropping = processQueue.drop().then(() => {
      isIdle = true
    })
    expect(processQueue.startClaimed(0)).toBe(false)
    await Promise.resolve()
    expect(isIdle).toBe(false)
    processQueue.unstart(1)
    await dropping
  })

  test('keeps what is done behind the first unfinished message, if told to, also when its ring grows', () => {
    const processQueue = new ProcessQueue(queue, 0, () => undefined, true)
    const count = 200
    processQueue.append(messagesAt(...Array.from({ length: 40 }, (_, i) => i * 2)), 80)
    processQueue.take(40)
    for (const sequence of [3, 1, 30]) processQueue.finish(sequence)
    processQueue.append(messagesAt(...Array.from({ length: count }, (_, i) => 80 + i)), 80 + count)
    expect([...processQueue.doneOffsets].sort((a, b) => a - b)).toEqual([2, 6, 60])
    processQueue.finish(0)
    expect([...processQueue.doneOffsets].sort((a, b) => a - b)).toEqual([6, 60])
    for (let sequence = 2; sequence < 40; sequence++)
      if (![3, 30].includes(sequence)) processQueue.finish(sequence)
    expect([processQueue.doneOffsets, processQueue.committableOffset]).toEqual([[], 80])
    expect(processQueueAt(0).doneOffsets).toEqual([])
  })

  test('hands messages out once, in order, and no more than there are', () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0, 1, 2), 3)
    expect([processQueue.nextSequence, processQueue.take(2)]).toEqual([0, 2])
    expect([processQueue.nextSequence, processQueue.take(2)]).toEqual([2, 1])
    expect(processQueue.take(2)).toBe(0)
  })

  test('tells how far an offset has got', () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(1, 2, 4), 6)
    processQueue.take(2)
    processQueue.finish(0)
    const states = [0, 1, 2, 3, 4, 5, 6].map((offset) => processQueue.stateOf(offset))
    expect(states).toEqual(['passed', 'passed', 'started', 'passed', 'waiting', 'passed', 'unfetched'])
    expect(processQueue.span).toBe(2)
  })

  test('has room up to the count, the bytes and the span that it is given', () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0, 1, 2), 3)
    processQueue.take(3)
    expect(processQueue.hasRoom({ ...noLimits, maxCount: 3 })).toBe(false)
    expect(processQueue.hasRoom({ ...noLimits, maxBytes: 300 })).toBe(false)
    processQueue.finish(1)
    expect(processQueue.hasRoom({ ...noLimits, maxCount: 3 })).toBe(true)
    expect(processQueue.hasRoom({ ...noLimits, maxBytes: 300 })).toBe(true)
    expect(processQueue.hasRoom({ ...noLimits, maxSpan: 3 })).toBe(false)
    processQueue.finish(0)
    expect(processQueue.hasRoom({ ...noLimits, maxSpan: 3 })).toBe(true)
  })

  test('starts nothing once it is dropped, and waits for what runs', async () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0, 1, 2), 3)
    processQueue.take(2)
    let isIdle = false
    const idle = processQueue.drop().then(() => {
      isIdle = true
    })
    expect(processQueue.take(1)).toBe(0)
    processQueue.finish(0)
    await Promise.resolve()
    expect(isIdle).toBe(false)
    processQueue.finish(1)
    await idle
    expect(processQueue.committableOffset).toBe(2)
  })

  test('keeps the offset of a message that was set aside, until it is taken again and finished', () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0, 1), 2)
    processQueue.take(2)
    processQueue.setAside()
    processQueue.finish(1)
    expect([processQueue.committableOffset, processQueue.runningCount]).toEqual([0, 0])
    expect(processQueue.takeAgain()).toBe(true)
    processQueue.finish(0)
    expect([processQueue.committableOffset, processQueue.runningCount]).toEqual([2, 0])
  })

  test('starts again what was put back, as it looks then, and moves no offset by that', () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0, 1, 2), 3)
    processQueue.take(2)
    processQueue.finish(0)
    processQueue.replace(1, { queueOffset: 1, storeSize: 100, reconsumeTimes: 1 } as MessageView)
    processQueue.putBack(1)
    expect([processQueue.nextSequence, processQueue.waitingCount, processQueue.runningCount]).toEqual([
      1, 2, 0,
    ])
    expect(processQueue.committableOffset).toBe(1)
    expect(processQueue.take(5)).toBe(2)
    expect(processQueue.messageAt(1).reconsumeTimes).toBe(1)
    processQueue.finish(1)
    processQueue.finish(2)
    expect([processQueue.committableOffset, processQueue.unfinishedBytes]).toEqual([3, 0])
  })

  test('is at rest when the last that ran is put back', async () => {
    const processQueue = processQueueAt(0)
    processQueue.append(messagesAt(0), 1)
    processQueue.take(1)
    const idle = processQueue.drop()
    processQueue.putBack(1)
    await idle
    expect(processQueue.committableOffset).toBe(0)
  })

  test('agrees with a plain list, whatever is appended, taken and finished', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), count: fc.nat(200), gap: fc.nat(3) }),
      fc.record({ kind: fc.constant('take' as const), count: fc.nat(100) }),
      fc.record({ kind: fc.constant('finish' as const), pick: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const processQueue = processQueueAt(0)
        const unfinished: number[] = []
        const running: { sequence: number; offset: number }[] = []
        const waiting: number[] = []
        let nextOffset = 0
        for (const { kind, ...what } of steps) {
          if (kind === 'append' && 'gap' in what) {
            const offsets = Array.from({ length: what.count }, (_, i) => nextOffset + what.gap + i)
            nextOffset += what.gap + what.count
            processQueue.append(messagesAt(...offsets), nextOffset)
            unfinished.push(...offsets)
            waiting.push(...offsets)
          } else if (kind === 'take' && 'count' in what) {
            const first = processQueue.nextSequence
            const count = processQueue.take(what.count)
            expect(count).toBe(Math.min(what.count, waiting.length))
            running.push(...waiting.splice(0, count).map((offset, i) => ({ sequence: first + i, offset })))
          } else if ('pick' in what && running.length > 0) {
            const [message] = running.splice(what.pick % running.length, 1)
            expect(processQueue.messageAt(message!.sequence).queueOffset).toBe(message!.offset)
            processQueue.finish(message!.sequence)
            unfinished.splice(unfinished.indexOf(message!.offset), 1)
          }
          expect(processQueue.committableOffset).toBe(unfinished[0] ?? nextOffset)
          expect(processQueue.unfinishedCount).toBe(unfinished.length)
          expect(processQueue.unfinishedBytes).toBe(unfinished.length * 100)
          expect(processQueue.waitingCount).toBe(waiting.length)
          expect(processQueue.runningCount).toBe(running.length)
        }
      }),
    )
  })
})
