import { readFile } from 'node:fs/promises'
import { describe, expect, test, vi } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { toMs } from '../../src/testing/duration.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { mqError } from '../helpers/expect-error.ts'

const START = Date.UTC(2027, 0, 1)

function newClock(options: { patienceMs?: number; runawayLimit?: number } = {}): VirtualClock {
  return new VirtualClock({ startTimestamp: START, patienceMs: 1000, runawayLimit: 500, ...options })
}

describe('A virtual clock', () => {
  test('stands still until it is moved', async () => {
    const clock = newClock()
    await clock.rest()
    expect([clock.now(), clock.monotonicMs()]).toEqual([START, 0])
    await clock.advance('2h')
    expect([clock.now(), clock.monotonicMs()]).toEqual([START + 7_200_000, 7_200_000])
  })

  test('fires timers in the order of their time, and of their setting when that is the same', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const fired: string[] = []
    const at = (ms: number, name: string) =>
      scope.setTimer(ms, () => fired.push(`${name}@${clock.monotonicMs()}`))
    at(30, 'c')
    at(10, 'a')
    at(30, 'd')
    at(20, 'b').cancel()
    await clock.advance(30)
    expect(fired).toEqual(['a@10', 'c@30', 'd@30'])
  })

  test('comes to rest when what is due already has happened too', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const fired: number[] = []
    scope.setTimer(0, () => scope.setTimer(0, () => fired.push(clock.monotonicMs())))
    const sleeping = clock.sleep(0)
    await clock.rest()
    await sleeping
    expect(fired).toEqual([0])
  })

  test('waits in runUntil for the move that is under way', async () => {
    const clock = newClock()
    const advancing = clock.advance(1000)
    const sleeping = clock.runUntil(clock.sleep(5000))
    await advancing
    expect(clock.monotonicMs()).toBe(1000)
    await sleeping
    expect(clock.monotonicMs()).toBe(5000)
  })

  test('counts timers as scheduled that were set to be', async () => {
    const clock = newClock()
    clock.scope().setTimer(10, () => undefined)
    const scope = clock.scope(true)
    scope.setTimer(30, () => undefined).cancel()
    scope.setTimer(20, () => undefined)
    expect(clock.nextScheduled()).toBe(START + 20)
    expect(await clock.runNext()).toBe(START + 20)
    scope.setTimer(20, () => undefined)
    scope.end()
    expect(clock.nextScheduled()).toBeUndefined()
  })

  test('does not fire a timer before its time', async () => {
    const clock = newClock()
    const fired = vi.fn()
    clock.scope().setTimer(1000, fired)
    await clock.advance(999)
    expect(fired).not.toHaveBeenCalled()
    await clock.advance(1)
    expect(fired).toHaveBeenCalledOnce()
  })

  test('lets what a timer begins come to rest before the next one fires', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const log: string[] = []
    scope.setTimer(10, async () => {
      log.push('first begins')
      for (let i = 0; i < 50; i++) await undefined
      await new Promise<void>((resolve) => scope.defer(resolve))
      log.push('first ends')
    })
    scope.setTimer(11, () => log.push('second'))
    await clock.advance(20)
    expect(log).toEqual(['first begins', 'first ends', 'second'])
  })

  test('fires a timer that a timer sets, when it is due on the way', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const times: number[] = []
    const tick = (): void => {
      times.push(clock.monotonicMs())
      scope.setTimer(100, tick)
    }
    scope.setTimer(100, tick)
    await clock.advance(350)
    expect(times).toEqual([100, 200, 300])
    expect(clock.monotonicMs()).toBe(350)
  })

  test('moves to a date', async () => {
    const clock = newClock()
    await clock.advanceTo(new Date('2027-01-04T00:00:00Z'))
    expect(new Date(clock.now()).toISOString()).toBe('2027-01-04T00:00:00.000Z')
    await clock.advanceTo(clock.now())
    await expect(clock.advanceTo(START)).rejects.toEqual(mqError('INVALID_PARAMETER', 'has passed'))
    await expect(clock.advanceTo(new Date('no date'))).rejects.toEqual(mqError('INVALID_PARAMETER', 'valid'))
  })

  test('moves to the next scheduled moment, and stays when there is none', async () => {
    const clock = newClock()
    clock.scope().setTimer(5, () => undefined)
    expect(await clock.runNext()).toBeUndefined()
    expect(clock.now()).toBe(START)
    const slept = vi.fn()
    void clock.sleep('10s').then(slept)
    expect(await clock.runNext()).toBe(START + 10_000)
    expect(slept).toHaveBeenCalledOnce()
  })

  test('moves as far as a promise needs', async () => {
    const clock = newClock()
    const answer = clock.sleep('3d').then(() => 'done')
    expect(await clock.runUntil(answer)).toBe('done')
    expect(clock.monotonicMs()).toBe(3 * 86_400_000)
    await expect(clock.runUntil(Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  test('jumps without firing a timer', async () => {
    const clock = newClock()
    const fired = vi.fn()
    clock.scope().setTimer(1000, fired)
    clock.jump(3_600_000)
    await clock.rest()
    expect([clock.now(), clock.monotonicMs()]).toEqual([START + 3_600_000, 0])
    expect(fired).not.toHaveBeenCalled()
  })

  test('waits for work that waits for something real', async () => {
    const clock = newClock()
    let isDone = false
    void clock.hold(async () => {
      await readFile(import.meta.filename)
      isDone = true
    })
    await clock.advance(1)
    expect(isDone).toBe(true)
  })

  test('loses its patience with work that does not end', async () => {
    const clock = newClock({ patienceMs: 5 })
    void clock.hold(() => new Promise(() => undefined))
    await clock.advance('1h')
    expect(clock.monotonicMs()).toBe(3_600_000)
  })

  test('does not wait for work that sleeps on it', async () => {
    const clock = newClock({ patienceMs: 1_000_000 })
    let isDone = false
    void clock.hold(async () => {
      await clock.sleep('1h')
      isDone = true
    })
    await clock.advance('30m')
    expect(isDone).toBe(false)
    await clock.advance('30m')
    expect(isDone).toBe(true)
  })

  test('wakes nobody who sleeps when it is told that there is nothing to wait for, and lets the next one sleep', async () => {
    const clock = newClock({ patienceMs: 1_000_000 })
    const sleeping = clock.hold(() => clock.sleep('1h'))
    clock.endSleeps(new MQError('CLOSED', 'The instance is closed.'))
    await expect(sleeping).rejects.toEqual(mqError('CLOSED'))
    expect(clock.nextScheduled()).toBeUndefined()
    await clock.advance('1h')
    expect(await clock.runUntil(clock.sleep('1h').then(() => clock.monotonicMs()))).toBe(7_200_000)
  })

  test('stops what goes on for ever without time moving', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const again = (): void => scope.defer(again)
    again()
    await expect(clock.advance(1)).rejects.toEqual(mqError('CLOCK_RUNAWAY', '2027-01-01T00:00:00.000Z'))
    scope.end()
    await clock.advance(1)
  })

  test('stops timers that set each other without time moving', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const again = (): void => {
      scope.setTimer(0, again)
    }
    again()
    await expect(clock.advance(1)).rejects.toEqual(mqError('CLOCK_RUNAWAY'))
  })

  test('refuses to be moved while it is being moved', async () => {
    const clock = newClock()
    const first = clock.advance(10)
    await expect(clock.advance(10)).rejects.toEqual(mqError('INVALID_PARAMETER', 'being moved'))
    await first
    expect(clock.monotonicMs()).toBe(10)
  })

  test('forgets what an ended scope had planned', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const called = vi.fn()
    scope.setTimer(1, called)
    scope.defer(called)
    scope.onJump(called)
    scope.end()
    clock.jump(1)
    await clock.advance(10)
    expect(called).not.toHaveBeenCalled()
  })

  test('tells whole milliseconds of wall time, whatever fractions its timers have', async () => {
    const clock = newClock()
    const scope = clock.scope()
    const seen: number[] = []
    const tick = (): void => {
      seen.push(clock.now())
      scope.setTimer(40_000 / 3, tick)
    }
    tick()
    await clock.advance('30m')
    expect(seen.filter((timestamp) => !Number.isInteger(timestamp))).toEqual([])
    expect(clock.now()).toBe(START + 1_800_000)
  })

  test('works when a test framework has replaced the timers', async () => {
    vi.useFakeTimers()
    try {
      const clock = newClock()
      const fired = vi.fn()
      clock.scope().setTimer(1000, fired)
      await clock.advance('1s')
      expect(fired).toHaveBeenCalledOnce()
    } finally {
      vi.useRealTimers()
    }
  })

  test.each([
    [0, 0],
    [2, 2],
    ['500ms', 500],
    ['10s', 10_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['3d', 259_200_000],
  ])('takes %j for %i milliseconds', (duration, ms) => {
    expect(toMs(duration)).toBe(ms)
  })

  test.each([
    '',
    1.5,
    '2',
    '2 h',
    '-1s',
    '1.5h',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    undefined,
    null,
    {},
  ])('refuses %j as a duration', async (duration) => {
    await expect(newClock().advance(duration as string)).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'no duration'),
    )
  })
})
