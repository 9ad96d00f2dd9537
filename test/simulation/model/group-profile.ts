/** What a group of consumers is like; all its members are alike. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import { sqlCondition } from './sql-condition.ts'
import type { Wish } from './wishes.ts'

/**
 * `concurrent`, `orderly`, `broadcasting`: push consumers, the first two of which share their queues. `simple`: they
 * receive and acknowledge single messages. `lite`: they poll, and may be broadcasting too.
 */
export type GroupKind = 'concurrent' | 'orderly' | 'broadcasting' | 'simple' | 'lite'

export interface GroupProfile {
  readonly name: string
  readonly kind: GroupKind
  /** Each queue in its order: in orderly mode, and in FIFO groups of simple consumers. */
  readonly isOrderly: boolean
  /** Not each queue, but each message group in it. */
  readonly byMessageGroup: boolean
  readonly subscriptions: ReadonlyMap<string, Wish>
  /** Of simple consumers: the `retryMaxTimes` of their group. `Infinity`: without end. */
  readonly maxReconsumeTimes: number
  readonly consumeTimeoutMs: number
  readonly closeTimeoutMs: number
  readonly concurrency: number
  readonly pullBatchSize: number
  readonly suspendMs: number
  readonly pullThresholdForQueue: number
  readonly consumeConcurrentlyMaxSpan: number
  readonly consumeFromWhere: 'LAST_OFFSET' | 'FIRST_OFFSET'
  /** Messages of one call; `undefined` for a listener that takes one at a time. */
  readonly batchSize: number | undefined
  readonly habits: ListenerHabits
  /** In orderly mode: how long a queue rests when a message failed. */
  readonly suspendCurrentQueueTimeMs: number
  /** Broadcasting members, push or lite, by name: they come back under it. Empty for groups that share their queues. */
  readonly memberNames: readonly string[]
  /** A broadcasting member gives up what failed once. */
  readonly dropsFailures: boolean
  /** Polls commit what earlier ones returned. */
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly handOverTimeoutMs: number
}

/** How often a listener, or who receives, does what; the rest succeeds at once. */
export interface ListenerHabits {
  readonly slow: number
  readonly fails: number
  readonly throws: number
  readonly hangs: number
  readonly nonsense: number
  /** Fails with a delay level of its own, or with a dead letter at once. */
  readonly level: number
}

/** What a group is like as far as that does not depend on its kind. */
export type CommonGroup = Omit<
  GroupProfile,
  | 'kind'
  | 'isOrderly'
  | 'byMessageGroup'
  | 'suspendCurrentQueueTimeMs'
  | 'memberNames'
  | 'dropsFailures'
  | 'autoCommit'
  | 'autoCommitIntervalMs'
  | 'handOverTimeoutMs'
>

const KINDS: readonly (readonly [GroupKind, share: number])[] = [
  ['concurrent', 0.42],
  ['orderly', 0.16],
  ['broadcasting', 0.13],
  ['simple', 0.17],
  ['lite', 0.12],
]

/** Gives a group a kind. The source of randomness is one of its own, so that what the seed says besides stays as it is. */
export function withKind(common: CommonGroup, random: WorkloadRandom, tags: readonly string[]): GroupProfile {
  const kind = kindOf(random.next())
  const isOrderly = kind === 'orderly' || (isMaybeOrderly(kind) && random.chance(0.4))
  const isBroadcasting = kind === 'broadcasting' || (kind === 'lite' && random.chance(0.25))
  const memberNames = ['a', 'b', 'c'].slice(0, random.between(2, 3)).map((name) => `${common.name}-${name}`)
  const dropsFailures = random.chance(0.5)
  const patience = random.pick([0, 1, 2, Infinity, Infinity])
  return {
    ...common,
    kind,
    isOrderly,
    subscriptions: random.chance(0.25) ? withSql(common.subscriptions, random, tags) : common.subscriptions,
    maxReconsumeTimes: kind === 'orderly' ? patience : common.maxReconsumeTimes,
    suspendCurrentQueueTimeMs: random.pick([10, 1000, 5000]),
    byMessageGroup: isOrderly && kind !== 'simple' && random.chance(0.4),
    memberNames: isBroadcasting ? memberNames : [],
    dropsFailures: kind === 'broadcasting' && dropsFailures,
    autoCommit: random.chance(0.6),
    autoCommitIntervalMs: random.pick([1, 1000, 5000]),
    handOverTimeoutMs: random.pick([1000, 20_000]),
  }
}

export function asConcurrent(common: CommonGroup): GroupProfile {
  return {
    ...common,
    kind: 'concurrent',
    isOrderly: false,
    byMessageGroup: false,
    suspendCurrentQueueTimeMs: 1000,
    memberNames: [],
    dropsFailures: false,
    autoCommit: true,
    autoCommitIntervalMs: 1000,
    handOverTimeoutMs: 1000,
  }
}

function kindOf(dice: number): GroupKind {
  let left = dice
  for (const [kind, share] of KINDS) {
    left -= share
    if (left < 0) return kind
  }
  return 'concurrent'
}

function isMaybeOrderly(kind: GroupKind): boolean {
  return kind === 'broadcasting' || kind === 'simple'
}

function withSql(
  subscriptions: CommonGroup['subscriptions'],
  random: WorkloadRandom,
  tags: readonly string[],
): CommonGroup['subscriptions'] {
  const wishes = [...subscriptions].map(([topic, wish]): [string, Wish] => {
    const condition = sqlCondition(random, tags)
    return [topic, random.chance(0.7) ? { kind: 'sql', condition } : wish]
  })
  return new Map(wishes)
}

/** Members share the queues of the group, each of which has one owner. */
export function sharesQueues({ kind, memberNames }: GroupProfile): boolean {
  return kind === 'concurrent' || kind === 'orderly' || (kind === 'lite' && memberNames.length === 0)
}

/** A failed message goes to the retry topic of its group. */
export function hasRetryTopic({ kind }: GroupProfile): boolean {
  return kind === 'concurrent' || kind === 'orderly'
}

/** Those that have offsets of their own; `undefined` stands for the group, where its members share them. */
export function membersOf({ memberNames }: GroupProfile): readonly (string | undefined)[] {
  return memberNames.length === 0 ? [undefined] : memberNames
}
