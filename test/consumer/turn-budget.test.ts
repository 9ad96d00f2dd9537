import { describe, expect, test } from 'vitest'
import { TurnBudget } from '../../src/consumer/turn-budget.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

/** A clock on which a test moves time by hand, within a turn. */
class SteppedClock extends ManualClock {
  nowMs = 0
  looks = 0

  override monotonicMs(): number {
    this.looks += 1
    return this.nowMs
  }
}

function setUp() {
  const clock = new SteppedClock()
  const turns = { count: 0 }
  const budget = new TurnBudget(clock, () => {
    turns.count += 1
  })
  /** Takes steps of this length until one is refused; answers how many there were. */
  const steps = (stepMs: number): number => {
    let count = 0
    for (; budget.take(); count++) clock.nowMs += stepMs
    return count
  }
  return { clock, budget, turns, steps }
}

describe('The budget of a turn', () => {
  test('lasts for so many quick steps, and is full again in the next turn', async () => {
    const { clock, turns, steps } = setUp()
    expect(steps(0)).toBe(1024)
    expect(steps(0)).toBe(0)
    await clock.settle()
    expect(turns.count).toBe(1)
    expect(steps(0)).toBe(1024)
  })

  test('lasts for so much time when steps are slow', () => {
    expect(setUp().steps(3)).toBe(4)
    expect(setUp().steps(50)).toBe(1)
  })

  test('notices within a few steps that they became slow', async () => {
    const { clock, steps } = setUp()
    steps(0)
    await clock.settle()
    expect(steps(50)).toBeLessThanOrEqual(8)
    await clock.settle()
    expect(steps(50)).toBe(1)
  })

  test('seldom looks at the clock while steps are quick', () => {
    const { clock, steps } = setUp()
    steps(0.001)
    expect(clock.looks).toBeLessThan(1024 / 7)
  })

  test('knows the time of the turn, however long nothing was asked for', async () => {
    const { clock, budget } = setUp()
    budget.take()
    await clock.settle()
    clock.nowMs = 3_600_000
    budget.take()
    expect(budget.nowMs).toBe(3_600_000)
  })

  test('calls nobody back when nothing was refused', async () => {
    const { clock, budget, turns } = setUp()
    budget.take()
    await clock.settle()
    expect(turns.count).toBe(0)
  })

  test('measures exactly while there is little to measure, and cheaply when there is much', async () => {
    const { clock, budget } = setUp()
    clock.nowMs = 5
    expect(budget.readMs()).toBe(5)
    clock.nowMs = 7
    expect(budget.readMs()).toBe(7)
    const looks = clock.looks
    for (let i = 0; i < 1000; i++) budget.readMs()
    expect(clock.looks - looks).toBeLessThanOrEqual(16)
    await clock.settle()
    clock.nowMs = 90
    expect(budget.readMs()).toBe(90)
  })
})
