import { describe, expect, test } from 'vitest'
import type { MQError } from '../../src/model/errors.ts'
import { SendGate } from '../../src/store/send-gate.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

class TestGate {
  readonly clock = new ManualClock()
  hasRoom = false
  readonly gate: SendGate
  /** What became of each send, in the order it happened. */
  readonly outcomes: string[] = []

  constructor(maxWaitingBytes = 1000) {
    this.gate = new SendGate(this.clock, () => this.hasRoom, maxWaitingBytes)
  }

  wait(
    name: string,
    {
      bytes = 10,
      timeoutMs = 100,
      signal,
    }: { bytes?: number; timeoutMs?: number; signal?: AbortSignal } = {},
  ): void {
    this.gate.wait(
      bytes,
      timeoutMs,
      signal,
      () => this.outcomes.push(name),
      (error: MQError) => this.outcomes.push(`${name} ${error.code} ${error.outcome}`),
    )
  }
}

describe('The gate for sends', () => {
  test('is open when there is room and nobody waits', () => {
    const gate = new TestGate()
    expect(gate.gate.isOpen).toBe(false)
    gate.hasRoom = true
    expect(gate.gate.isOpen).toBe(true)
    gate.wait('a')
    expect(gate.gate.isOpen).toBe(false)
  })

  test('lets in those that wait in the order they came, as long as there is room', () => {
    const gate = new TestGate()
    for (const name of ['a', 'b', 'c']) gate.wait(name)
    gate.gate.admit()
    expect(gate.outcomes).toEqual([])
    gate.hasRoom = true
    gate.gate.admit()
    expect(gate.outcomes).toEqual(['a', 'b', 'c'])
  })

  test('asks for room again after each one', () => {
    const gate = new TestGate()
    let room = 2
    const { clock, outcomes } = gate
    const narrow = new SendGate(clock, () => room-- > 0, 1000)
    for (const name of ['a', 'b', 'c']) {
      narrow.wait(
        1,
        100,
        undefined,
        () => outcomes.push(name),
        () => undefined,
      )
    }
    narrow.admit()
    expect(outcomes).toEqual(['a', 'b'])
  })

  test('refuses with SEND_TIMEOUT whoever waits longer than its timeout, and only those', async () => {
    const gate = new TestGate()
    gate.wait('long', { timeoutMs: 300 })
    gate.wait('short', { timeoutMs: 100 })
    await gate.clock.advance(99)
    expect(gate.outcomes).toEqual([])
    await gate.clock.advance(1)
    expect(gate.outcomes).toEqual(['short SEND_TIMEOUT not-attempted'])
    await gate.clock.advance(200)
    expect(gate.outcomes).toEqual(['short SEND_TIMEOUT not-attempted', 'long SEND_TIMEOUT not-attempted'])
  })

  test('has one timer, however many wait', () => {
    const gate = new TestGate()
    for (let i = 0; i < 50; i++) gate.wait(`send ${i}`, { timeoutMs: 500 - i, bytes: 1 })
    expect(gate.clock.timerCount).toBe(1)
    expect(gate.clock.nextTimerMs).toBe(451)
  })

  test('refuses with SYSTEM_BUSY at once what would make too many bytes wait', () => {
    const gate = new TestGate(100)
    gate.wait('a', { bytes: 60 })
    gate.wait('b', { bytes: 41 })
    gate.wait('c', { bytes: 40 })
    expect(gate.outcomes).toEqual(['b SYSTEM_BUSY not-attempted'])
  })

  test('counts no bytes of those that left, in whatever way', async () => {
    const gate = new TestGate(100)
    gate.wait('expired', { bytes: 100 })
    await gate.clock.advance(100)
    const controller = new AbortController()
    gate.wait('aborted', { bytes: 100, signal: controller.signal })
    controller.abort()
    gate.wait('admitted', { bytes: 100 })
    gate.hasRoom = true
    gate.gate.admit()
    gate.hasRoom = false
    gate.wait('last', { bytes: 100 })
    expect(gate.outcomes.filter((outcome) => outcome.includes('BUSY'))).toEqual([])
  })

  test('takes a send back with ABORTED when its signal fires, and forgets the signal afterwards', () => {
    const gate = new TestGate()
    const controller = new AbortController()
    gate.wait('a')
    gate.wait('b', { signal: controller.signal })
    controller.abort()
    expect(gate.outcomes).toEqual(['b ABORTED not-attempted'])
    gate.hasRoom = true
    gate.gate.admit()
    expect(gate.outcomes).toEqual(['b ABORTED not-attempted', 'a'])
  })

  test('does nothing when the signal of an admitted send fires', () => {
    const gate = new TestGate()
    const controller = new AbortController()
    gate.wait('a', { signal: controller.signal })
    gate.hasRoom = true
    gate.gate.admit()
    controller.abort()
    expect(gate.outcomes).toEqual(['a'])
  })

  test('copes with more sends than a call takes arguments', async () => {
    const count = 200_000
    const { clock, gate, outcomes } = new TestGate(count)
    const refuse = (error: MQError): void => void outcomes.push(error.code)
    for (let i = 0; i < count; i++) gate.wait(1, i === 0 ? 10 : 20, undefined, () => undefined, refuse)
    await clock.advance(10)
    expect(outcomes).toEqual(['SEND_TIMEOUT'])
    await clock.advance(10)
    expect(outcomes).toHaveLength(count)
  })
})
