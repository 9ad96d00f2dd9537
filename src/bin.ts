#!/usr/bin/env node
/** The command line: `pocketmq check DIRECTORY`. Exit codes: 0 sound, 1 problems, 2 wrong usage or not to be opened. */
import { checkStore } from './check-store.ts'
import { MQError } from './model/errors.ts'

const USAGE = 'Usage: pocketmq check DIRECTORY\n'

async function run(words: readonly string[]): Promise<number> {
  const [command, directory, ...rest] = words
  if (command !== 'check' || directory === undefined || rest.length > 0) {
    process.stderr.write(USAGE)
    return 2
  }
  const { ok, messageCount, queueCount, problems } = await checkStore(directory)
  process.stdout.write(`${messageCount} messages in ${queueCount} queues, ${problems.length} problems\n`)
  for (const { kind, message } of problems) process.stdout.write(`${kind}: ${message}\n`)
  return ok ? 0 : 1
}

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const { code, message } = MQError.from(error)
    process.stderr.write(`${code}: ${message}\n`)
    process.exitCode = 2
  },
)
