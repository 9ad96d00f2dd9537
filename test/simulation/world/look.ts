/** Looks at everything that a store holds, through the queries that operators have. */
import type { Engine } from '../../../src/model/engine.ts'
import { MQError } from '../../../src/model/errors.ts'
import type { MessageView } from '../../../src/model/message.ts'
import type { MessageQueue } from '../../../src/model/message-queue.ts'
import type { TopicConfig } from '../../../src/model/topic.ts'
import type { Store } from '../../../src/store/store.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { FoundWaiting } from '../delay-events.ts'
import {
  type Copy,
  type FoundGroup,
  type FoundOffsetOf,
  type FoundQueue,
  type IndexProbe,
  placeOf,
  type Scan,
} from '../events.ts'
import type { FoundHalf } from '../transaction-events.ts'
import { copyOf, queueNameOf } from './copies.ts'

/** How thoroughly the indexes are asked. */
export interface Look {
  readonly engine: Engine
  readonly store: Store
  /** Broadcasting members by group; they have the offsets there. */
  readonly members: ReadonlyMap<string, readonly string[]>
  readonly random: WorkloadRandom
  /** Questions of each kind. */
  readonly probeCount: number
  /** Whether the store is to check itself as well. */
  readonly withCheck: boolean
}

export async function lookAt(look: Look): Promise<Scan> {
  const { engine, withCheck } = look
  const failures: string[] = []
  const configs = await engine.queryTopics()
  const queues: FoundQueue[] = []
  const engineQueues: MessageQueue[] = []
  for (const { topic } of configs) {
    for (const { queue, minOffset, maxOffset } of await engine.queryTopicStatus(topic)) {
      engineQueues.push(queue)
      const copies = await readAll(engine, queue, minOffset, maxOffset, failures)
      queues.push({ queue: queueNameOf(queue), minOffset, maxOffset, copies })
    }
  }
  const waiting = await lookAtWaiting(engine, configs)
  const halves = await lookAtHalves(look.store)
  return {
    topics: configs.map(({ topic, readQueueNums, writeQueueNums }) => ({
      topic,
      readQueueNums,
      writeQueueNums,
    })),
    queues,
    groups: await lookAtGroups(look, engineQueues),
    waiting,
    halves,
    problems: withCheck ? (await engine.check()).problems.map(({ message }) => message) : [],
    failures,
    probes: [...(await probe(look, configs, engineQueues, queues)), ...(await probeWaiting(look, waiting))],
  }
}

async function readAll(
  engine: Engine,
  queue: MessageQueue,
  minOffset: number,
  maxOffset: number,
  failures: string[],
): Promise<Copy[]> {
  const copies: Copy[] = []
  for (let offset = minOffset; offset < maxOffset; offset++) {
    try {
      copies.push(copyOf(await engine.viewMessage(queue, offset)))
    } catch (error) {
      failures.push(`${queue.topic}/${queue.queueId}:${offset} ${MQError.from(error).message}`)
    }
  }
  return copies
}

async function lookAtGroups(
  { engine, members }: Look,
  queues: readonly MessageQueue[],
): Promise<FoundGroup[]> {
  const found: FoundGroup[] = []
  for (const { group } of await engine.queryGroups()) {
    const { pendingRetryCount } = await engine.consumerProgress(group)
    const names = members.get(group) ?? []
    const offsets: FoundOffsetOf[] = []
    for (const queue of queues) {
      for (const member of names.length === 0 ? [undefined] : names) {
        const offset = await engine.queryConsumerOffset(group, queue, member)
        if (offset !== undefined) offsets.push({ member, queue: queueNameOf(queue), offset })
      }
    }
    found.push({ group, pendingRetryCount, offsets })
  }
  return found
}

async function lookAtWaiting(engine: Engine, configs: readonly TopicConfig[]): Promise<FoundWaiting[]> {
  const found: FoundWaiting[] = []
  for (const { topic } of configs) {
    const all = { topic, begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: Number.MAX_SAFE_INTEGER }
    const waiting = (await engine.delay?.queryDelayedMessages(all)) ?? []
    for (const { message, deliveryTimestamp, recallHandle } of waiting)
      found.push({ copy: copyOf(message), deliveryTimestamp, recallHandle })
  }
  return found
}

/** No query shows them, so the store itself is asked. */
export async function lookAtHalves({ parking }: Store): Promise<FoundHalf[]> {
  const found: FoundHalf[] = []
  for await (const { entries } of parking.pending({})) {
    for (const entry of entries) {
      const { kind, attempt: checkCount, dueTimestamp } = entry.alarm
      const message = kind === 'transaction' ? parking.view(entry) : undefined
      if (message === undefined) continue
      const { number, messageId: transactionId, queue } = copyOf(message)
      found.push({ number, transactionId, queue, checkCount, dueTimestamp })
    }
  }
  return found
}

/** What waits is found by no index of what is stored, and by times. */
async function probeWaiting(
  { engine, random }: Look,
  waiting: readonly FoundWaiting[],
): Promise<IndexProbe[]> {
  if (waiting.length === 0) return []
  const { copy, deliveryTimestamp } = random.pick(waiting)
  const { messageId, topic } = copy
  const end = random.pick(waiting).deliveryTimestamp + random.between(-1, 1)
  const range = { topic, begin: Math.min(deliveryTimestamp, end), end, maxCount: random.between(1, 5) }
  const due = (await engine.delay?.queryDelayedMessages(range)) ?? []
  return [
    { by: 'id', messageId, found: placesOf(await engine.queryMessagesById(messageId)) },
    { by: 'due', ...range, found: due.map(({ message }) => copyOf(message).number) },
  ]
}

async function probe(
  { engine, random, probeCount }: Look,
  configs: readonly TopicConfig[],
  engineQueues: readonly MessageQueue[],
  queues: readonly FoundQueue[],
): Promise<IndexProbe[]> {
  const copies = queues.flatMap((queue) => queue.copies)
  if (copies.length === 0) return []
  const probes: IndexProbe[] = []
  for (let i = 0; i < probeCount; i++) {
    const { messageId } = random.pick(copies)
    probes.push({ by: 'id', messageId, found: placesOf(await engine.queryMessagesById(messageId)) })
    const { topic } = random.pick(configs)
    const key = random.pick(random.pick(copies).keys) ?? 'nobody'
    const query = { topic, key, begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 10_000 }
    probes.push({ by: 'key', topic, key, found: placesOf(await engine.queryMessagesByKey(query)) })
    const queue = random.pick(engineQueues)
    const timestamp = random.pick(copies).storeTimestamp + random.between(-1, 1)
    const offset = await engine.searchOffset(queue, timestamp)
    probes.push({ by: 'time', queue: queueNameOf(queue), timestamp, offset })
  }
  return probes
}

function placesOf(views: readonly MessageView[]): string[] {
  return views.map((view) => placeOf({ queue: queueNameOf(view.queue), offset: view.queueOffset }))
}
