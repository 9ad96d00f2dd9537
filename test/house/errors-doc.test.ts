import { describe, expect, test } from 'vitest'
import { MQErrorCodes } from '../../src/model/errors.ts'
import { read } from './source.ts'

const DOC = 'docs/errors.md'

/** A row of the table: the code, and the cells after it. */
const ROW = /^\| *`([A-Z][A-Z0-9_]*)` *\|(.*)\|\s*$/gm

const rows = [...read(DOC).matchAll(ROW)].map(([, code = '', cells = '']) => ({
  code,
  cells: cells.split('|').map((cell) => cell.replaceAll('`', '').trim()),
}))
const entries: [string, { description: string; responseCode?: number }][] = Object.entries(MQErrorCodes)

describe(`The table of error codes in ${DOC}`, () => {
  test('lists every code of MQErrorCodes, once, and no other', () => {
    expect(rows.map(({ code }) => code).sort()).toEqual(entries.map(([code]) => code).sort())
  })

  test('gives RocketMQ’s response code where there is one', () => {
    const expected = entries.filter(([, { responseCode }]) => responseCode !== undefined)
    const missing = expected.filter(
      ([code, { responseCode }]) =>
        !rows.some((row) => row.code === code && row.cells.includes(String(responseCode))),
    )
    expect(missing.map(([code]) => code)).toEqual([])
  })

  test('stands beside a sentence for every code in the source', () => {
    expect(
      entries.filter(([, { description }]) => !/^[A-Z].*\.$/.test(description)).map(([code]) => code),
    ).toEqual([])
  })
})
