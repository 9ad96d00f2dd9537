/** The guide to the simulation names every checker and every planted bug, and no other. */
import { expect, test } from 'vitest'
import { read } from '../house/source.ts'
import { BUGS } from './bugs/catch.ts'

const ROW = /^\| (\d+) \| .* \| `([\w-]+)` \| (.*) \|$/gm

test('The table of docs/simulation.md has the planted bugs of each checker', () => {
  const rows = [...read('docs/simulation.md').matchAll(ROW)]
  const told = rows.flatMap(([, , checker = '', names = '']) =>
    [...names.matchAll(/`([\w-]+)`/g)].map(([, name]) => `${checker}: ${name}`),
  )
  expect(told.sort()).toEqual(BUGS.map(({ checker, name }) => `${checker}: ${name}`).sort())
})
