/** Planted bugs are noticed by the checkers that are there for them: a checker that cannot fail proves nothing. */
import { expect, test } from 'vitest'
import { BUGS, catchBug } from './bugs/catch.ts'

const TIMEOUT_MS = 600_000
test.each(BUGS)('$checker notices $name: $story', { timeout: TIMEOUT_MS }, async (bug) => {
  const { violation, seedCount } = await catchBug(bug)
  expect(violation, `not noticed within ${seedCount} seeds`).toMatchObject({ checker: bug.checker })
})
