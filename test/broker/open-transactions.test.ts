import { expect, test } from 'vitest'
import { OpenTransactions } from '../../src/broker/open-transactions.ts'
import { mqError } from '../helpers/expect-error.ts'

const MEMORY = 10_000

test('The last 10,000 ends are remembered, whichever came again', () => {
  const open = new OpenTransactions()
  for (let i = 0; i < MEMORY; i++) open.end(`t${i}`, 'COMMIT')
  for (let i = 0; i < MEMORY; i++) open.end('t0', 'COMMIT')
  for (const id of ['t0', 't1', 't9999']) expect(() => open.checkEnded(id, 'COMMIT')).not.toThrow()
  open.end('one more', 'ROLLBACK')
  expect(() => open.checkEnded('t0', 'COMMIT')).toThrow(mqError('ILLEGAL_OPERATION', 'it ended long ago'))
  expect(() => open.checkEnded('t1', 'COMMIT')).not.toThrow()
  expect(() => open.checkEnded('one more', 'COMMIT')).toThrow(mqError('ILLEGAL_OPERATION', 'rolled back'))
})
