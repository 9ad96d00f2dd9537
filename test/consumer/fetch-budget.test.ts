import { expect, test, vi } from 'vitest'
import { FetchBudget } from '../../src/consumer/fetch-budget.ts'

test('A fetch budget refuses at its bound, and calls once when there is room for who was refused', () => {
  const onRoom = vi.fn()
  const budget = new FetchBudget(10, onRoom)
  budget.add(9)
  expect(budget.hasRoom()).toBe(true)
  budget.add(5)
  budget.add(-5)
  expect(onRoom).not.toHaveBeenCalled()
  budget.add(5)
  expect(budget.hasRoom()).toBe(false)
  budget.add(-4)
  expect(onRoom).not.toHaveBeenCalled()
  budget.add(-1)
  budget.add(-1)
  expect(onRoom).toHaveBeenCalledTimes(1)
})
