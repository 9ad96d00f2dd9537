/** What one run is about, made from its seed: how the store is set up, who works with it, and which troubles there are. */
import { WorkloadRandom } from '../../crash/workload-random.ts'
import { type DelayProfile, delayProfileOf, NO_DELAYS } from './delay-profile.ts'
import {
  asConcurrent,
  type CommonGroup,
  type GroupProfile,
  type ListenerHabits,
  withKind,
} from './group-profile.ts'
import { NO_REQUESTS, type RequestProfile, requestProfileOf } from './request-profile.ts'
import { NO_TRANSACTIONS, type TransactionProfile, transactionProfileOf } from './transaction-profile.ts'
import type { Wish } from './wishes.ts'

export interface TopicProfile {
  readonly name: string
  readonly queues: number
  /** Made by the first send instead of an operator. */
  readonly isAuto: boolean
}

/** Which troubles come, as weights of the actions; 0 for never. */
export interface Troubles {
  readonly crashes: number
  readonly restarts: number
  readonly jumps: number
  readonly diskFaults: number
  readonly slowDisk: number
  readonly fullDisk: number
  readonly verbFaults: number
  readonly topics: number
  readonly resets: number
}

export interface Profile {
  readonly seed: number
  readonly steps: number
  readonly disk: 'memory' | 'mean'
  readonly flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH'
  readonly flushIntervalMs: number
  readonly syncFlushTimeoutMs: number
  readonly lockLeaseMs: number
  readonly retention: { readonly maxAgeMs: number; readonly maxBytes: number; readonly intervalMs: number }
  readonly maxUnappliedBytes: number
  readonly messageDelayLevel: string
  readonly defaultTopicQueueNums: number
  readonly topics: readonly TopicProfile[]
  readonly groups: readonly GroupProfile[]
  readonly producerCount: number
  readonly bodyBytes: number
  readonly delays: DelayProfile
  readonly transactions: TransactionProfile
  readonly requests: RequestProfile
  readonly troubles: Troubles
  /** Nothing goes wrong from outside: then promises about time can be held to the letter. */
  readonly isCalm: boolean
  /** How far time moves at a step, at most. */
  readonly paceMs: number
}

/** Two of them have the same hash code in Java, and must be told apart all the same. */
export const TAGS = ['Aa', 'BB', 'paid', 'late'] as const

const TOPIC_NAMES = ['orders', 'flights', 'letters']
/** Few of each are as telling as many, and quicker. */
const GROUP_COUNTS = [1, 1, 2, 2, 3, 6]
const PRODUCER_COUNTS = [1, 2, 3, 8]
const QUEUE_COUNTS = [1, 1, 2, 3, 4, 8]
/** RocketMQ's table, with an end that a short run can reach. */
const DELAY_LEVELS = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'

/**
 * `isConcurrent`: all groups are, as they were when there were no others. `isPlain`: every message is sent once and comes at once, as it
 * was when there was nothing else.
 */
export function profileOf(
  seed: number,
  steps?: number,
  isConcurrent = false,
  isPlain = isConcurrent,
): Profile {
  const random = new WorkloadRandom(seed * 2 + 1)
  const isCalm = random.chance(0.15)
  const flushDiskType = random.chance(0.4) ? 'SYNC_FLUSH' : 'ASYNC_FLUSH'
  const retention = retentionOf(random)
  const topics = topicsOf(random)
  // Kinds have randomness of their own: a seed whose groups are all concurrent is what it was before there were others.
  const kinds = new WorkloadRandom(seed * 2 + 1_000_003)
  const completed = (group: CommonGroup): GroupProfile =>
    isConcurrent ? asConcurrent(group) : withKind(group, kinds, TAGS)
  return {
    seed,
    steps: steps ?? stepsOf(random),
    disk: random.chance(0.3) ? 'memory' : 'mean',
    flushDiskType,
    flushIntervalMs: random.pick([20, 500, 500, 2000]),
    syncFlushTimeoutMs: random.pick([1000, 5000]),
    lockLeaseMs: random.pick([60_000, 600_000]),
    retention,
    maxUnappliedBytes: random.pick([8 * 1024, 64 * 1024 ** 2, 64 * 1024 ** 2]),
    messageDelayLevel: DELAY_LEVELS,
    defaultTopicQueueNums: random.between(1, 4),
    topics,
    groups: Array.from({ length: random.pick(GROUP_COUNTS) }, (_, index) =>
      completed(
        groupOf(random, index, topics, retention.maxAgeMs !== Infinity || retention.maxBytes !== Infinity),
      ),
    ),
    producerCount: random.pick(PRODUCER_COUNTS),
    bodyBytes: retention.maxBytes === Infinity ? random.pick([20, 100, 500]) : 800,
    delays: isPlain ? NO_DELAYS : delayProfileOf(new WorkloadRandom(seed * 2 + 3_000_003)),
    transactions: isPlain ? NO_TRANSACTIONS : transactionProfileOf(new WorkloadRandom(seed * 2 + 6_000_003)),
    requests: isPlain ? NO_REQUESTS : requestProfileOf(new WorkloadRandom(seed * 2 + 8_000_003)),
    troubles: troublesOf(random, isCalm),
    isCalm,
    paceMs: random.pick([20, 1000, 5000, 20_000]),
  }
}

/** Most runs are short, so that there can be many; some go far. */
function stepsOf(random: WorkloadRandom): number {
  if (random.chance(0.005)) return random.between(1000, 2000)
  return random.chance(0.08) ? random.between(200, 400) : random.between(25, 105)
}

function retentionOf(random: WorkloadRandom): Profile['retention'] {
  const intervalMs = random.pick([10_000, 60_000])
  if (random.chance(0.7)) return { maxAgeMs: Infinity, maxBytes: Infinity, intervalMs: 600_000 }
  if (random.chance(0.5))
    return { maxAgeMs: random.pick([240_000, 1_200_000]), maxBytes: Infinity, intervalMs }
  return { maxAgeMs: Infinity, maxBytes: random.pick([48, 96]) * 1024, intervalMs }
}

function topicsOf(random: WorkloadRandom): TopicProfile[] {
  const count = random.between(1, TOPIC_NAMES.length)
  return TOPIC_NAMES.slice(0, count).map((name) => ({
    name,
    queues: random.pick(QUEUE_COUNTS),
    isAuto: random.chance(0.2),
  }))
}

function groupOf(
  random: WorkloadRandom,
  index: number,
  topics: readonly TopicProfile[],
  hasRetention: boolean,
): CommonGroup {
  const subscribed = topics.filter((_, topic) => topic === index % topics.length || random.chance(0.4))
  const isClumsy = random.chance(0.6)
  return {
    name: `group-${index}`,
    subscriptions: new Map(subscribed.map(({ name }) => [name, wishOf(random)])),
    maxReconsumeTimes: random.pick([0, 1, 2, 3, 16]),
    consumeTimeoutMs: random.pick([2000, 10_000, 60_000]),
    closeTimeoutMs: random.pick([1000, 10_000, 90_000]),
    concurrency: random.between(1, 8),
    pullBatchSize: random.pick([1, 3, 16, 32]),
    suspendMs: random.pick([30_000, 600_000, 86_400_000]),
    pullThresholdForQueue: random.pick([1, 10, 1000, 1000]),
    consumeConcurrentlyMaxSpan: random.pick([5, 2000, 2000]),
    consumeFromWhere: hasRetention || random.chance(0.5) ? 'FIRST_OFFSET' : 'LAST_OFFSET',
    batchSize: random.chance(0.25) ? random.between(1, 10) : undefined,
    habits: habitsOf(random, isClumsy),
  }
}

function wishOf(random: WorkloadRandom): Wish {
  if (random.chance(0.5)) return { kind: 'all' }
  const tags = TAGS.filter(() => random.chance(0.4))
  return { kind: 'tags', tags: tags.length === 0 ? ['Aa'] : tags }
}

function habitsOf(random: WorkloadRandom, isClumsy: boolean): ListenerHabits {
  const share = (most: number): number => (isClumsy ? random.next() * most : 0)
  return {
    slow: random.pick([0, 0.3, 0.8]),
    fails: share(0.2),
    throws: share(0.1),
    hangs: share(0.04),
    nonsense: share(0.05),
    level: share(0.05),
  }
}

function troublesOf(random: WorkloadRandom, isCalm: boolean): Troubles {
  const weight = (share: number, most: number): number =>
    !isCalm && random.chance(share) ? random.between(1, most) : 0
  return {
    crashes: weight(0.8, 5),
    restarts: weight(0.4, 2),
    jumps: weight(0.3, 3),
    diskFaults: weight(0.35, 4),
    slowDisk: weight(0.3, 3),
    fullDisk: weight(0.2, 2),
    verbFaults: weight(0.35, 4),
    topics: weight(0.4, 3),
    resets: weight(0.4, 3),
  }
}
