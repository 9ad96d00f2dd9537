import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { filesIn, ROOT } from '../house/source.ts'

const LONGEST_MS = 60_000

/** Every example, with the line that it ends with. */
const LAST_LINES: Readonly<Record<string, string>> = {
  'batch.ts': 'received 50003 messages, up to 32 at a time',
  'broadcasting.ts': 'the display got 17, 18',
  'delayed-reminder.ts': 'reminded: o-1, o-3',
  'flights.ts': 'every count is right',
  'hello.ts': 'received hello',
  'lite-pull.ts': 'the loop ended after 6 messages',
  'message-groups.ts': 'every group went through its steps in order',
  'order-payment.ts': 'every payment has its one message',
  'orderly.ts': 'every order went through its steps in order',
  'outbox.ts': 'packed o-1, packed o-2',
  'pull.ts': 'waited for: the last one',
  'query.ts': 'orders holds 2 messages in 4 queues',
  'request-reply.ts': '1 answer came too late',
  'retry-and-dead-letter.ts': 'in the dead-letter queue: broken order with key o-2',
  'simple.ts': '5 orders are done, 0 are left',
  'typed-topics.ts': 'dead letter: SCHEMA: amount: Invalid input: expected number, received undefined',
}

/** Runs an example as a user does and answers how it ended. */
async function run(name: string, ...args: string[]): Promise<{ code: number; lastLine: string | undefined }> {
  const child = spawn(process.execPath, ['--import', 'tsx', join('examples', name), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code, lastLine: output.trimEnd().split('\n').at(-1) }
}

describe('The examples', () => {
  test('are all listed here', () => {
    const names = filesIn('examples', '.ts')
      .map((path) => path.slice('examples/'.length))
      .filter((path) => !path.includes('/'))
    expect(names).toEqual(Object.keys(LAST_LINES))
  })

  test.each(Object.entries(LAST_LINES))(
    '%s does what it promises',
    async (name, lastLine) => {
      expect(await run(name)).toEqual({ code: 0, lastLine })
    },
    LONGEST_MS,
  )

  test(
    'flights.ts does the same job in memory',
    async () => {
      expect(await run('flights.ts', '--memory')).toEqual({ code: 0, lastLine: 'every count is right' })
    },
    LONGEST_MS,
  )
})
