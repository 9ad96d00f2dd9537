import { describe, expect, test } from 'vitest'
import { TurnBudget } from '../../src/consumer/turn-budget.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

describe('The budget of a turn', () => {
  test('lasts for so many quick steps, and is full again in the next turn', async () => {
    const clock = new ManualClock()
    let turns = 0
    const budget = new TurnBudget(clock, () => {
      turns += 1
    })
    const stepsInOneTurn = (): number => {
      let steps = 0
      while (budget.take(clock.monotonicMs())) steps += 1
      return steps
    }
    const first = stepsInOneTurn()
    expect(first).toBeGreaterThan(100)
    await clock.settle()
    expect(turns).toBe(1)
    expect(stepsInOneTurn()).toBe(first)
  })

  test('lasts for so much time when steps are slow', () => {
    const budget = new TurnBudget(new ManualClock(), () => undefined)
    expect([100, 105, 109, 110].map((nowMs) => budget.take(nowMs))).toEqual([true, true, true, false])
    expect(budget.take(100)).toBe(false)
  })

  test('calls nobody back when nothing was refused', async () => {
    const clock = new ManualClock()
    let turns = 0
    const budget = new TurnBudget(clock, () => {
      turns += 1
    })
    budget.take(0)
    await clock.settle()
    expect(turns).toBe(0)
  })
})
