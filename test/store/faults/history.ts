/**
 * What was asked of a store, in the order in which it was asked: an independent model. The store writes in that order, so
 * whatever a crash leaves must be what some beginning of the history makes.
 */

import { type Alarm, isParking } from '../../../src/store/fact.ts'
import type { Store } from '../../../src/store/store.ts'
import { readQueue } from '../../crash/inspect.ts'

/** A store as plain arrays and maps. */
export class World {
  /** Bodies by topic and queue. */
  readonly topics = new Map<string, string[][]>()
  readonly groups = new Set<string>()
  /** By group, then by `topic/queueId`. */
  readonly offsets = new Map<string, Map<string, number>>()
  /** Attempt numbers, which tests make unique, with their group. */
  readonly alarms = new Map<number, string>()

  createTopic(topic: string, queues: number): void {
    if (!this.topics.has(topic))
      this.topics.set(
        topic,
        Array.from({ length: queues }, () => []),
      )
  }

  deleteTopic(topic: string): void {
    this.topics.delete(topic)
    for (const queues of this.offsets.values()) {
      for (const place of [...queues.keys()]) if (place.startsWith(`${topic}/`)) queues.delete(place)
    }
  }

  deleteGroup(group: string): void {
    this.groups.delete(group)
    this.offsets.delete(group)
    for (const [attempt, owner] of [...this.alarms]) if (owner === group) this.alarms.delete(attempt)
  }

  append(topic: string, queueId: number, bodies: readonly string[]): void {
    this.topics.get(topic)?.[queueId]?.push(...bodies)
  }

  commitOffset(group: string, place: string, offset: number, mayGoBack: boolean): void {
    const isKnown = this.groups.has(group) && this.topics.has(place.slice(0, place.indexOf('/')))
    if (!isKnown) return
    const queues = this.offsets.get(group) ?? new Map<string, number>()
    this.offsets.set(group, queues)
    if (mayGoBack || offset > (queues.get(place) ?? -1)) queues.set(place, offset)
  }
}

/** One atomic change. */
export type Operation = (world: World) => void

/** What a store really holds. */
export interface Content {
  readonly queues: ReadonlyMap<string, { readonly minOffset: number; readonly bodies: readonly string[] }>
  readonly groups: ReadonlySet<string>
  readonly offsets: ReadonlyMap<string, number>
  readonly alarms: ReadonlySet<number>
}

export async function readContent(store: Store): Promise<Content> {
  const queues = new Map<string, { minOffset: number; bodies: string[] }>()
  for (const topic of store.catalog.topics()) {
    for (const log of topic.logs) {
      const messages = await readQueue(log)
      // Tests pad bodies to make them large.
      const bodies = messages.map((message) => message.text().trimEnd())
      queues.set(`${log.queue.topic}/${log.queue.queueId}`, { minOffset: log.minOffset, bodies })
    }
  }
  const parked = await readParked(store)
  const offsets = new Map<string, number>()
  for (const [groupUid, queueUid, offset] of store.offsets.entries()) {
    const group = store.catalog.groupByUid(groupUid)?.config.group
    const queue = store.catalog.log(queueUid)?.queue
    offsets.set(`${group} ${queue?.topic}/${queue?.queueId}`, offset)
  }
  return {
    queues,
    groups: new Set([...store.catalog.groups()].map(({ config }) => config.group)),
    offsets,
    alarms: new Set([...store.alarms.values(), ...parked].map(({ attempt }) => attempt)),
  }
}

/** Every message that lies with an alarm must be there, and the one that was parked with it; in memory or not. */
async function readParked(store: Store): Promise<readonly Alarm[]> {
  const far: Alarm[] = []
  for await (const { entries } of store.parking.pending({}))
    for (const { alarm } of entries) if (!store.alarms.has(alarm.id)) far.push(alarm)
  for (const alarm of [...store.alarms.values(), ...far]) {
    if (!isParking(alarm) || store.catalog.log(alarm.queueUid) === undefined) continue
    const text = (await store.parking.message(alarm))?.text().trimEnd()
    if (text !== `p${alarm.attempt}` && store.parking.isPending(alarm))
      throw new Error(`the message of alarm ${alarm.id} is '${text}', not 'p${alarm.attempt}'`)
  }
  return far
}

/** Where a world and a store differ, or `undefined`. Messages that retention took count as equal. */
function findDifference(world: World, content: Content): string | undefined {
  const places = new Set([...content.queues.keys()])
  for (const [topic, queues] of world.topics) {
    for (const [queueId, bodies] of queues.entries()) {
      const found = content.queues.get(`${topic}/${queueId}`)
      if (found === undefined) return `the queue ${topic}/${queueId} is missing`
      places.delete(`${topic}/${queueId}`)
      const expected = bodies.slice(found.minOffset).join(' ')
      if (found.minOffset > bodies.length || found.bodies.join(' ') !== expected) {
        return `${topic}/${queueId} holds [${found.bodies.join(' ')}] from ${found.minOffset}, not [${expected}]`
      }
    }
  }
  if (places.size > 0) return `the queues ${[...places].join(', ')} should not be there`
  const offsets = new Map(
    [...world.offsets].flatMap(([group, queues]) =>
      [...queues].map(([place, offset]) => [`${group} ${place}`, offset]),
    ),
  )
  return (
    compareSets('groups', world.groups, content.groups) ??
    compareSets('offsets', entriesOf(offsets), entriesOf(content.offsets)) ??
    compareSets('alarms', new Set(world.alarms.keys()), content.alarms)
  )
}

function entriesOf(map: ReadonlyMap<unknown, unknown>): Set<string> {
  return new Set([...map].map(([key, value]) => `${key}: ${value}`))
}

function compareSets<Item>(
  what: string,
  expected: ReadonlySet<Item>,
  found: ReadonlySet<Item>,
): string | undefined {
  const same = expected.size === found.size && [...expected].every((item) => found.has(item))
  return same ? undefined : `${what} are [${[...found].join(', ')}], not [${[...expected].join(', ')}]`
}

/** How many operations, at most, make what a store holds; says how the nearest beginnings differ if there is none. */
export function longestPrefix(operations: readonly Operation[], content: Content, from: number): number {
  const world = new World()
  const differences: string[] = []
  const found = JSON.stringify(
    [...content.queues].map(([place, { minOffset, bodies }]) => [place, minOffset, bodies.length]),
  )
  let longest: number | undefined
  for (let count = 0; count <= operations.length; count++) {
    if (count > 0) operations[count - 1]?.(world)
    const difference = findDifference(world, content)
    if (difference === undefined) longest = count
    else if (count >= from) differences.push(`after ${count}: ${difference}`)
  }
  if (longest === undefined)
    throw new Error(`no beginning of the history fits ${found}; ${differences.slice(-3).join('; ')}`)
  if (longest < from) throw new Error(`${longest} operations survived, ${from} had to: ${differences[0]}`)
  return longest
}
