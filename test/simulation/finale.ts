/**
 * The end of a run: troubles are over, everybody is at work, and whatever can be delivered has to be. Then new messages
 * must arrive at once, a refused one must come back in time, and closing must come to its end and lose nothing.
 */

import type { Workload } from './work/workload.ts'
import { lookAtHalves } from './world/look.ts'
import type { World } from './world/world.ts'
import { RunEnded } from './world/world.ts'

/** Longer than the longest delay of a retry and the longest listener together. */
const LONGEST_DRAIN_MS = 3 * 3_600_000
/** Longer than the longest wait of a send for room. */
const LONGEST_SEND_MS = 300_000
/** A healthy instance delivers within this. */
const PROMPT_MS = 250
/** The first retry comes after the third delay level. */
const FIRST_RETRY_MS = 10_000
/** A store that lacked room looks again this often, and members whose leases were lost wait for them. */
const SETTLE_MS = 700_000
/** Verbs that were called while answers came late have been answered by then, one behind the other. */
const LATEST_ANSWER_MS = 10_000
/** What the slowest disk was asked before it was healed is done by then. */
const SLOWEST_CALL_MS = 6000

export async function finish(world: World, workload: Workload): Promise<void> {
  await calm(world, workload)
  await drain(world, workload)
  await probe(world, workload)
  await world.look()
  await close(world, workload)
}

async function calm(world: World, workload: Workload): Promise<void> {
  world.heal()
  // What became of a call was decided when it began: those on their way may yet fail, or stop the machine.
  await world.clock.advance(SLOWEST_CALL_MS)
  if (await world.restartIfStopped()) workload.begin()
  if (world.life.mq.state === 'failed') {
    if (!(await world.close())) overdue(world, 'the end of this life, which nothing stops: it')
    await world.reopen(false)
    workload.begin()
  }
  world.straightenClock()
  world.tell({ type: 'calmed' })
  await world.clock.advance(1)
  for (let waitedMs = 0; world.life.mq.state !== 'open' && waitedMs < SETTLE_MS; waitedMs += 1000)
    await world.clock.advance(1000)
  if (world.life.mq.state !== 'open') overdue(world, `the store is still ${world.life.mq.state}`)
  workload.operators.calm()
  await world.clock.rest()
  workload.members.calm()
  workload.transactors.calm()
  await world.clock.advance(LATEST_ANSWER_MS)
  // The verbs that lost their answers or failed are sound by now.
  void workload.recallers.calm()
  await world.clock.rest()
  await world.clock.advance(longestListenerMs(world))
  // A lease that could not be given back ends by itself only.
  if (world.profile.troubles.verbFaults > 0) await world.clock.advance(world.profile.lockLeaseMs)
}

/**
 * Listeners that hang, or answer late, are over by then. A backlog does not tell of them when their topic was deleted, and yet they
 * keep others of their member waiting.
 */
function longestListenerMs({ profile }: World): number {
  const slow = profile.groups.filter(({ habits }) => habits.hangs > 0)
  return Math.max(
    0,
    ...slow.map(({ isOrderly, consumeTimeoutMs }) => consumeTimeoutMs * (isOrderly ? 2.5 : 1)),
  )
}

/** Lets time pass, more and more at a time, until nothing is left to deliver. */
async function drain(world: World, workload: Workload): Promise<void> {
  const startedMs = world.clock.monotonicMs()
  let strideMs = 1000
  for (;;) {
    const open = workload.senders.isWaiting ? 'a send is not answered' : await openWork(world, workload)
    if (open === undefined) break
    const waitedMs = world.clock.monotonicMs() - startedMs
    if (waitedMs > (workload.senders.isWaiting ? LONGEST_SEND_MS : LONGEST_DRAIN_MS)) overdue(world, open)
    await world.clock.advance(strideMs)
    strideMs = Math.min(strideMs * 2, 600_000)
  }
  await world.clock.rest()
  world.tell({ type: 'drained' })
  await world.look()
}

/** What is left to do, in words. */
async function openWork(world: World, { recallers, transactors }: Workload): Promise<string | undefined> {
  if (recallers.isWaiting) return 'a decision about a delayed message is not answered'
  for (const pending of transactors.pending) return `${pending} is not answered`
  const [half] = await lookAtHalves(world.life.store)
  if (half !== undefined) return `the transaction of message ${half.number} is open`
  for (const { name: topic } of world.profile.topics) {
    const query = { topic, begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 1 }
    const waiting = await world.life.engine.delay?.queryDelayedMessages(query)
    if (waiting !== undefined && waiting.length > 0) return `a message waits for its time in ${topic}`
  }
  for (const { group } of await world.life.engine.queryGroups()) {
    const progress = await world.life.engine.consumerProgress(group)
    const { lag, pendingRetryCount, invisibleCount, queues } = progress
    if (pendingRetryCount > 0) return `${group} has ${pendingRetryCount} retries that wait`
    if (invisibleCount > 0) return `${group} has ${invisibleCount} messages that are not acknowledged`
    const behind = queues.find((queue) => queue.lag > 0)
    const { topic, queueId } = behind?.queue ?? {}
    if (lag > 0) return `${behind?.clientId ?? group} is ${lag} behind, in ${topic}/${queueId}`
  }
  return undefined
}

/** New messages for everybody, some of which each group refuses once. */
async function probe(world: World, workload: Workload): Promise<void> {
  world.tell({ type: 'probing' })
  workload.members.refuseSome()
  for (const { name } of world.profile.topics) {
    const queueNums = world.history.model.topics.get(name)?.writeQueueNums ?? 1
    workload.senders.probe(name, queueNums)
    workload.delayedSenders.probe(name)
    workload.transactors.probe(name)
    workload.requesters.probe(name)
  }
  await world.clock.rest()
  for (let waitedMs = 0; workload.senders.isWaiting && waitedMs < SETTLE_MS; waitedMs += PROMPT_MS)
    await world.clock.advance(PROMPT_MS)
  await world.clock.advance(FIRST_RETRY_MS + 2 * PROMPT_MS)
  world.tell({ type: 'probed' })
}

async function close(world: World, workload: Workload): Promise<void> {
  if (!(await world.close())) overdue(world, 'the end of this life, which nothing stops: it')
  await world.clock.rest()
  for (const { id } of workload.senders.pending)
    world.tell({ type: 'overdue', what: `the answer to send ${id}` })
  for (const { id } of workload.recallers.pending)
    world.tell({ type: 'overdue', what: `the answer to decision ${id}` })
  for (const pending of workload.transactors.pending)
    world.tell({ type: 'overdue', what: `the answer to ${pending}` })
  for (const { number } of workload.requesters.pending)
    world.tell({ type: 'overdue', what: `the end of request ${number}` })
  for (const name of workload.members.leaving) world.tell({ type: 'overdue', what: `close() of ${name}` })
  // Closed is closed: nothing happens any more, and nothing is lost if the power goes now.
  await world.clock.advance(60_000)
  await world.reopen(true)
}

function overdue(world: World, what: string): never {
  world.tell({ type: 'overdue', what })
  throw new RunEnded(what)
}
