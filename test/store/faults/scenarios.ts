/** What a store is asked to do, step by step, while one of the calls below it fails. Every step waits for the one before. */
import { Permission } from '../../../src/model/topic.ts'
import type { StepContext } from './fault-run.ts'

export type Scenario = (context: StepContext) => Promise<void>

const QUEUES = 2
const LARGE_BYTES = 3000
const HUGE_BYTES = 4 * 1024 * 1024 - 200

function topic(name: string) {
  return { topic: name, readQueueNums: QUEUES, writeQueueNums: QUEUES, permission: Permission.READ_WRITE }
}

/** A bit of everything: sends in all shapes, offsets, alarms, a topic that goes, queries, and the check. */
async function work(context: StepContext): Promise<void> {
  await context.createTopic(topic('t'))
  await context.createGroup('g')
  await context.send('t', 0, 1)
  await context.together(
    () => context.send('t', 0, 1),
    () => context.send('t', 1, 3),
    () => context.send('t', 1, 1),
  )
  await context.transfer('t', 0, 1)
  await context.elapse(600)
  await context.read()
  await context.together(
    () => context.send('t', 0, 1, LARGE_BYTES),
    () => context.commitOffset('t', 0, 2),
    () => context.clearAlarms(),
    () => context.flush(),
  )
  await context.createTopic(topic('u'))
  await context.send('u', 0, 2)
  await context.deleteTopic('u')
  await context.check()
  await context.send('t', 0, 1)
  await context.elapse(600)
}

/** Sends until retention has something to remove, and removes it. */
async function retention(context: StepContext): Promise<void> {
  await context.createTopic(topic('t'))
  for (let i = 0; i < 8; i++) await context.send('t', i % QUEUES, 5, LARGE_BYTES)
  await context.trim()
  await context.elapse(600)
  await context.trim()
  await context.createTopic(topic('u'))
  await context.send('u', 0, 2)
  await context.deleteTopic('u')
  await context.trim()
  await context.read()
  await context.send('t', 0, 1)
}

/** Fills a journal segment, so that the next one begins and the old one is let go. */
async function rotation(context: StepContext): Promise<void> {
  await context.createTopic(topic('t'))
  for (let i = 0; i < 17; i++) await context.send('t', i % QUEUES, 1, HUGE_BYTES)
  await context.elapse(600)
  for (let i = 0; i < 11; i++) await context.send('t', i % QUEUES, 1, HUGE_BYTES)
  await context.elapse(1200)
  await context.send('t', 0, 1)
}

/** Opens, sends a little and closes: for a directory that was left in some state. */
async function visit(context: StepContext): Promise<void> {
  await context.read()
  await context.send('t', 0, 2)
  await context.elapse(600)
}

export const SCENARIOS = { work, retention, rotation, visit } as const satisfies { [name: string]: Scenario }
