// SQLite as a table of messages. It is no queue, but what embedded queues are commonly built on.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { BODY, expectCount, rateOf, withDirectory } from './work.mjs'

export const name = 'better-sqlite3'

export function missing() {
  return undefined
}

export const works = [
  {
    name: 'one row a transaction',
    like: 'await send',
    count: 100_000,
    goal: 1,
    run: (count) => inserting(count, 1),
  },
  {
    name: '1000 rows a transaction',
    like: 'send, 1000 in flight',
    count: 500_000,
    goal: 1,
    run: (count) => inserting(count, 1000),
  },
]

/** WAL and `synchronous = NORMAL`: what is committed survives the process, as with ASYNC_FLUSH. */
function inserting(count, rowsATransaction) {
  return withDirectory(async (directory) => {
    const db = new Database(join(directory, 'messages.db'))
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL')
    db.exec('CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB NOT NULL)')
    const insert = db.prepare('INSERT INTO messages (body) VALUES (?)')
    const body = Buffer.from(BODY)
    const transaction = db.transaction((rows) => {
      for (let i = 0; i < rows; i++) insert.run(body)
    })
    const rate = await rateOf(count, () => {
      if (rowsATransaction === 1) for (let i = 0; i < count; i++) insert.run(body)
      else for (let i = 0; i < count; i += rowsATransaction) transaction(rowsATransaction)
    })
    expectCount('better-sqlite3 stored', db.prepare('SELECT count(*) FROM messages').pluck().get(), count)
    db.close()
    return rate
  })
}
