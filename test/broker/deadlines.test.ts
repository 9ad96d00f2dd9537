import { describe, expect, test } from 'vitest'
import { Deadlines } from '../../src/broker/deadlines.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

function makeDeadlines() {
  const clock = new ManualClock()
  const due: [string, number][] = []
  const deadlines = new Deadlines<string>(clock, (item) => due.push([item, clock.monotonicMs()]))
  return { clock, due, deadlines }
}

describe('Deadlines', () => {
  test('come in order, each at its time', async () => {
    const { clock, due, deadlines } = makeDeadlines()
    deadlines.add('long', 20)
    deadlines.add('short', 10)
    await clock.advance(5)
    deadlines.add('later', 10)
    await clock.advance(100)
    expect(due).toEqual([
      ['short', 10],
      ['later', 15],
      ['long', 20],
    ])
  })

  test('of equal length share one timer, however many there are', () => {
    const { clock, deadlines } = makeDeadlines()
    for (let i = 0; i < 1000; i++) deadlines.add(`item ${i}`, 10)
    expect(clock.timerCount).toBe(1)
  })

  test('do not come when deleted', async () => {
    const { clock, due, deadlines } = makeDeadlines()
    deadlines.add('gone', 10)
    deadlines.add('stays', 10)
    deadlines.delete('gone', 10)
    await clock.advance(10)
    expect(due.map(([item]) => item)).toEqual(['stays'])
  })

  test('start anew when added again', async () => {
    const { clock, due, deadlines } = makeDeadlines()
    deadlines.add('renewed', 10)
    await clock.advance(5)
    deadlines.add('other', 10)
    await clock.advance(4)
    deadlines.add('renewed', 10)
    await clock.advance(100)
    expect(due).toEqual([
      ['other', 15],
      ['renewed', 19],
    ])
  })

  test('may be added by what a deadline does', async () => {
    const clock = new ManualClock()
    const due: number[] = []
    const deadlines: Deadlines<string> = new Deadlines(clock, (item) => {
      due.push(clock.monotonicMs())
      deadlines.add(item, 10)
    })
    deadlines.add('again', 10)
    await clock.advance(35)
    expect(due).toEqual([10, 20, 30])
  })

  test('do not move when the clock is set', async () => {
    const { clock, due, deadlines } = makeDeadlines()
    deadlines.add('steady', 10)
    clock.jump(1_000_000)
    await clock.advance(9)
    expect(due).toEqual([])
    clock.jump(-2_000_000)
    await clock.advance(1)
    expect(due).toEqual([['steady', 10]])
  })

  test('leave no timer behind when all are over, nor when closed', async () => {
    const { clock, deadlines } = makeDeadlines()
    deadlines.add('one', 10)
    await clock.advance(10)
    expect(clock.timerCount).toBe(0)
    deadlines.add('two', 10)
    deadlines.close()
    expect(clock.timerCount).toBe(0)
  })
})
