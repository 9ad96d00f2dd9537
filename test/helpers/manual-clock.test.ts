import { describe, expect, test } from 'vitest'
import { ManualClock } from './manual-clock.ts'

describe('The manual clock', () => {
  test('fires timers in the order of their due time, each at its own time', async () => {
    const clock = new ManualClock(1000)
    const fired: [string, number][] = []
    clock.setTimer(20, () => fired.push(['second', clock.now()]))
    clock.setTimer(10, () => fired.push(['first', clock.now()]))
    clock.setTimer(20, () => fired.push(['third', clock.now()]))
    clock.setTimer(21, () => fired.push(['too late', clock.now()]))

    await clock.advance(20)

    expect(fired).toEqual([
      ['first', 1010],
      ['second', 1020],
      ['third', 1020],
    ])
    expect(clock.nextTimerMs).toBe(1)
  })

  test('fires what a timer sets, when that falls into the same stretch of time', async () => {
    const clock = new ManualClock(0)
    const fired: number[] = []
    const tick = (): void => {
      fired.push(clock.now())
      clock.setTimer(10, tick)
    }
    clock.setTimer(10, tick)

    await clock.advance(35)

    expect(fired).toEqual([10, 20, 30])
  })

  test('lets promises and deferred callbacks of one timer finish before the next fires', async () => {
    const clock = new ManualClock()
    const order: string[] = []
    clock.setTimer(1, () => {
      clock.defer(() => {
        void Promise.resolve().then(() => clock.defer(() => order.push('consequence')))
      })
    })
    clock.setTimer(1, () => order.push('next timer'))

    await clock.advance(1)

    expect(order).toEqual(['consequence', 'next timer'])
  })

  test('forgets a cancelled timer', async () => {
    const clock = new ManualClock()
    const timer = clock.setTimer(5, () => expect.unreachable())
    timer.cancel()
    expect(clock.timerCount).toBe(0)
    await clock.advance(10)
  })

  test('jumps in wall time without any timer noticing', async () => {
    const clock = new ManualClock(5000)
    clock.setTimer(10, () => expect.unreachable())
    clock.jump(-3000)
    expect([clock.now(), clock.monotonicMs()]).toEqual([2000, 0])
    await clock.advance(9)
    expect(clock.now()).toBe(2009)
  })
})
