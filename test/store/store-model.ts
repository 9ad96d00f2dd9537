/** What a store should hold, as plain arrays and maps, and the commands that change both. */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { parseMessageId } from '../../src/model/message-id.ts'
import { defaultGroupConfig } from '../../src/model/topic.ts'
import { isParking } from '../../src/store/fact.ts'
import { searchOffset } from '../../src/store/queries.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import { type MessageFields, type TestStore, topicConfig } from './set-up.ts'

const QUEUES = 2

interface ModelMessage {
  readonly id: string
  readonly body: string
  readonly keys: readonly string[]
  readonly storeTimestamp: number
}

interface ModelAlarm {
  readonly dueTimestamp: number
  /** None for a parked message, which has a body. */
  readonly group?: string
  readonly body?: string
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
}

/** The store as its user sees it. */
export class Model {
  /** Messages by topic and queue; those that retention took are `undefined`. */
  readonly topics = new Map<string, (ModelMessage | undefined)[][]>()
  readonly groups = new Set<string>()
  readonly offsets = new Map<string, number>()
  alarms: ModelAlarm[] = []

  queue(topic: string, queueId: number): (ModelMessage | undefined)[] {
    const queue = this.topics.get(topic)?.[queueId]
    if (queue === undefined) throw new Error(`the model has no queue ${topic} ${queueId}`)
    return queue
  }

  *messages(): Iterable<{ topic: string; queueId: number; offset: number; message: ModelMessage }> {
    for (const [topic, queues] of this.topics) {
      for (const [queueId, queue] of queues.entries()) {
        for (const [offset, message] of queue.entries()) {
          if (message !== undefined) yield { topic, queueId, offset, message }
        }
      }
    }
  }
}

type Command = fc.AsyncCommand<Model, TestStore>

/** A command with a readable name; it runs only when its topic exists. */
function command(
  name: string,
  isReady: (model: Model) => boolean,
  run: (model: Model, shop: TestStore) => Promise<void>,
): Command {
  return { check: isReady, run, toString: () => name }
}

const topicName = fc.constantFrom('a', 'b', '%RETRY%g')
const groupName = fc.constantFrom('g', 'h')
const queueId = fc.nat(QUEUES - 1)
const keyList = fc.uniqueArray(fc.constantFrom('k1', 'k2', 'k', 'ключ', 'k1k2'), { maxLength: 2 })
const text = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' })
const body = fc.tuple(text, fc.constantFrom(0, 0, 3000)).map(([start, bytes]) => start.padEnd(bytes, '.'))
const fields = fc.record({ body, keys: keyList })

const hasTopic = (topic: string) => (model: Model) => model.topics.has(topic)

const catalogCommands: fc.Arbitrary<Command>[] = [
  topicName.map((topic) =>
    command(
      `create ${topic}`,
      (model) => !model.topics.has(topic),
      async (model, shop) => {
        await shop.store.commit({ topics: [topicConfig(topic, QUEUES)] })
        model.topics.set(
          topic,
          Array.from({ length: QUEUES }, () => []),
        )
      },
    ),
  ),
  topicName.map((topic) =>
    command(`delete ${topic}`, hasTopic(topic), async (model, shop) => {
      await shop.store.commit({ topicsDeleted: [shop.topic(topic)] })
      model.topics.delete(topic)
      for (const key of model.offsets.keys()) if (key.startsWith(`${topic}/`)) model.offsets.delete(key)
      model.alarms = model.alarms.filter((alarm) => alarm.topic !== topic)
      await clearStrayAlarms(shop)
    }),
  ),
  groupName.map((group) =>
    command(
      `group ${group}`,
      (model) => !model.groups.has(group),
      async (model, shop) => {
        await shop.store.commit({ groups: [defaultGroupConfig(group)] })
        model.groups.add(group)
      },
    ),
  ),
  groupName.map((group) =>
    command(
      `drop ${group}`,
      (model) => model.groups.has(group),
      async (model, shop) => {
        await shop.store.commit({ groupsDeleted: [shop.group(group)] })
        model.groups.delete(group)
        for (const key of model.offsets.keys()) if (key.endsWith(`/${group}`)) model.offsets.delete(key)
        model.alarms = model.alarms.filter((alarm) => alarm.group !== group)
      },
    ),
  ),
]

const messageCommands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(topicName, queueId, fc.array(fields, { minLength: 1, maxLength: 6 }), fc.boolean())
    .map(([topic, queue, all, atOnce]) =>
      command(`append ${all.length} to ${topic} ${queue}`, hasTopic(topic), async (model, shop) => {
        const log = shop.log(topic, queue)
        if (atOnce) await Promise.all(all.map((each) => appendOne(model, shop, log, each)))
        else for (const each of all) await appendOne(model, shop, log, each)
      }),
    ),
  fc.tuple(topicName, queueId, fc.array(fields, { minLength: 1, maxLength: 20 })).map(([topic, queue, all]) =>
    command(`batch of ${all.length} to ${topic} ${queue}`, hasTopic(topic), async (model, shop) => {
      const receipt = await shop.sendBatch(all, shop.log(topic, queue))
      for (const [i, id] of receipt.messageIds.entries()) {
        note(
          model,
          topic,
          queue,
          receipt.queueOffset + i,
          { id, ...(all[i] as (typeof all)[0]) },
          receipt.storeTimestamp,
        )
      }
    }),
  ),
  fc.tuple(topicName, topicName, queueId, fc.nat()).map(([from, to, queue, which]) =>
    command(
      `copy from ${from} to ${to} ${queue}`,
      (model) => model.topics.has(from) && model.topics.has(to),
      async (model, shop) => {
        const originals = [...model.messages()].filter(({ topic }) => topic === from)
        const original = originals[which % Math.max(1, originals.length)]
        if (original === undefined) return
        const { id, body, keys } = original.message
        await appendOne(model, shop, shop.log(to, queue), { body, keys: [...keys], id: parseMessageId(id) })
      },
    ),
  ),
]

const otherCommands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(topicName, queueId, groupName, fc.nat(30), fc.boolean())
    .map(([topic, queue, group, wanted, mayGoBack]) =>
      command(
        `commit ${group} ${topic} ${queue}`,
        (model) => model.topics.has(topic) && model.groups.has(group),
        async (model, shop) => {
          const offset = Math.min(wanted, model.queue(topic, queue).length)
          await shop.store.commit({
            offsets: [{ group: shop.group(group), log: shop.log(topic, queue), offset, mayGoBack }],
          })
          const key = `${topic}/${queue}/${group}`
          model.offsets.set(key, mayGoBack ? offset : Math.max(offset, model.offsets.get(key) ?? 0))
        },
      ),
    ),
  fc
    .tuple(topicName, queueId, groupName, fc.nat(), fc.nat(50_000))
    .map(([topic, queue, group, which, delay]) =>
      command(
        `alarm for ${group} in ${topic} ${queue}`,
        (model) =>
          model.topics.has(topic) &&
          model.groups.has(group) &&
          model.queue(topic, queue).some((each) => each !== undefined),
        async (model, shop) => {
          const log = shop.log(topic, queue)
          const queueOffset = log.minOffset + (which % (log.maxOffset - log.minOffset))
          const dueTimestamp = shop.clock.now() + delay
          await shop.store.commit({
            alarmsSet: [
              {
                kind: 'retry',
                dueTimestamp,
                groupUid: shop.group(group).uid,
                queueUid: log.uid,
                queueOffset,
                attempt: 1,
              },
            ],
          })
          model.alarms.push({ dueTimestamp, group, topic, queueId: queue, queueOffset })
        },
      ),
    ),
  fc
    .tuple(topicName, queueId, fc.string({ minLength: 1 }), fc.nat(50_000))
    .map(([topic, queue, body, delay]) =>
      command(
        `park for ${topic} ${queue}`,
        (model) => model.topics.has(topic),
        async (model, shop) => {
          const log = shop.log(topic, queue)
          const dueTimestamp = shop.clock.now() + delay
          const spec = {
            kind: 'delay',
            dueTimestamp,
            groupUid: 0,
            queueUid: log.uid,
            queueOffset: 0,
            attempt: 0,
          } as const
          await shop.store.parking.park(log, spec, shop.message({ body }, topic), { timeoutMs: 3000 })
          model.alarms.push({ dueTimestamp, topic, queueId: queue, queueOffset: 0, body })
        },
      ),
    ),
  fc.nat().map((which) =>
    command(
      'clear one that is parked',
      (model) => model.alarms.some(({ body }) => body !== undefined),
      async (model, shop) => {
        const all = await shop.parked()
        const { alarm, bytes } = all[which % all.length]!
        await shop.store.commit({ alarmsCleared: [alarm] })
        expect(await shop.store.parking.find(alarm)).toBeUndefined()
        expect(await shop.store.parking.message(alarm)).toBeUndefined()
        const body = shop.store.parking.view({ alarm, bytes })?.text()
        const { dueTimestamp } = alarm
        const gone = model.alarms.findIndex(
          (each) => each.body === body && each.dueTimestamp === dueTimestamp,
        )
        expect(gone).toBeGreaterThanOrEqual(0)
        model.alarms.splice(gone, 1)
      },
    ),
  ),
  fc.nat(30_000).map((ms) =>
    command(
      `advance ${ms} and clear what is due`,
      () => true,
      async (model, shop) => {
        await shop.clock.advance(ms)
        await shop.waitForParked()
        const due = shop.store.alarms.due(shop.clock.now(), 100)
        expect(due.map((alarm) => alarm.dueTimestamp)).toEqual(
          model.alarms
            .map((alarm) => alarm.dueTimestamp)
            .filter((time) => time <= shop.clock.now())
            .sort((a, b) => a - b),
        )
        await shop.store.commit({ alarmsCleared: due })
        model.alarms = model.alarms.filter((alarm) => alarm.dueTimestamp > shop.clock.now())
      },
    ),
  ),
  fc.constant(
    command(
      'trim',
      () => true,
      async (model, shop) => {
        await shop.store.trim()
        for (const [topic, queues] of model.topics) {
          for (const [id, queue] of queues.entries()) {
            const { minOffset } = shop.log(topic, id)
            queue.fill(undefined, 0, minOffset)
          }
        }
      },
    ),
  ),
  fc.constant(
    command(
      'check',
      () => true,
      (_model, shop) => shop.expectSound(),
    ),
  ),
  fc.constant(
    command(
      'flush',
      () => true,
      (_model, shop) => shop.store.flush(),
    ),
  ),
  fc.constant(
    command(
      'reopen',
      () => true,
      async (_model, shop) => {
        if (shop.options.storage === 'disk') await shop.reopen()
      },
    ),
  ),
]

/** Mostly messages, rarely a change of topics and groups. */
export const commands: fc.Arbitrary<Command>[] = [
  ...messageCommands,
  ...messageCommands,
  ...messageCommands,
  ...otherCommands,
  fc.oneof(...catalogCommands),
]

/** Topics and groups to begin with. */
export async function begin(model: Model, shop: TestStore): Promise<void> {
  for (const topic of ['a', '%RETRY%g']) {
    await shop.createTopic(topic, QUEUES)
    model.topics.set(
      topic,
      Array.from({ length: QUEUES }, () => []),
    )
  }
  await shop.createGroup('g')
  model.groups.add('g')
}

async function appendOne(
  model: Model,
  shop: TestStore,
  log: QueueLog,
  each: MessageFields & { body: string; keys: string[] },
): Promise<void> {
  const receipt = await shop.send(each, log)
  const { topic, queueId: id } = log.queue
  note(
    model,
    topic,
    id,
    receipt.queueOffset,
    { id: receipt.messageId, body: each.body, keys: each.keys },
    receipt.storeTimestamp,
  )
}

function note(
  model: Model,
  topic: string,
  queue: number,
  offset: number,
  { id, body, keys }: { id: string; body: string; keys: readonly string[] },
  storeTimestamp: number,
): void {
  const messages = model.queue(topic, queue)
  expect(messages[offset]).toBeUndefined()
  messages[offset] = { id, body, keys, storeTimestamp }
}

/** Alarms of a deleted topic are the broker's to clear. */
async function clearStrayAlarms(shop: TestStore): Promise<void> {
  const { alarms, catalog } = shop.store
  const parked = (await shop.parked()).map(({ alarm }) => alarm)
  const all = [...alarms.values(), ...parked.filter(({ id }) => !alarms.has(id))]
  await shop.store.commit({
    alarmsCleared: all.filter((alarm) => catalog.log(alarm.queueUid) === undefined),
  })
}

/** Holds every way to read the store against the model. */
export async function expectSame(model: Model, shop: TestStore): Promise<void> {
  await shop.expectSound()
  expect([...shop.store.catalog.topics()].map(({ config }) => config.topic).sort()).toEqual(
    [...model.topics.keys()].sort(),
  )
  expect([...shop.store.catalog.groups()].map(({ config }) => config.group).sort()).toEqual(
    [...model.groups].sort(),
  )
  const others = [...shop.store.alarms.values()].filter((alarm) => !isParking(alarm))
  expect(others).toHaveLength(model.alarms.filter(({ body }) => body === undefined).length)
  await expectSameParked(model, shop)
  for (const [topic, queues] of model.topics) {
    for (const [id, queue] of queues.entries()) await expectSameQueue(model, shop, topic, id, queue)
    for (const key of ['k1', 'k2', 'k', 'ключ', 'k1k2']) await expectSameKey(model, shop, topic, key)
  }
  await expectSameIds(model, shop)
}

async function expectSameParked(model: Model, shop: TestStore): Promise<void> {
  const { parking } = shop.store
  const all = await shop.parked()
  const bodies = all.map((entry) => parking.view(entry)?.text())
  expect(bodies.sort()).toEqual(model.alarms.flatMap(({ body }) => body ?? []).sort())
  for (const entry of all) {
    expect(await parking.find(entry.alarm)).toEqual(entry)
    expect((await parking.message(entry.alarm))?.text()).toBe(parking.view(entry)?.text())
  }
}

async function expectSameQueue(
  model: Model,
  shop: TestStore,
  topic: string,
  id: number,
  queue: readonly (ModelMessage | undefined)[],
): Promise<void> {
  const log = shop.log(topic, id)
  const kept = queue.slice(log.minOffset)
  expect(log.maxOffset).toBe(queue.length)
  expect((await shop.readAll(log)).map(shown)).toEqual(kept.map((message) => message && shownModel(message)))
  for (const message of kept) {
    const expected = kept.findIndex((each) => (each?.storeTimestamp ?? 0) >= (message?.storeTimestamp ?? 0))
    expect(await searchOffset(log, message?.storeTimestamp ?? 0)).toBe(log.minOffset + expected)
  }
  for (const group of model.groups) {
    expect(shop.store.offsets.get(shop.group(group), log)).toBe(model.offsets.get(`${topic}/${id}/${group}`))
  }
}

async function expectSameKey(model: Model, shop: TestStore, topic: string, key: string): Promise<void> {
  const found = await shop.store.queryByKey(shop.topic(topic), key, 0, Number.MAX_SAFE_INTEGER, 10_000)
  const expected = [...model.messages()].filter(
    (each) => each.topic === topic && each.message.keys.includes(key),
  )
  expect(found.map(place).sort()).toEqual(
    expected.map((each) => `${each.topic} ${each.queueId} ${each.offset}`).sort(),
  )
  const times = found.map((message) => message.storeTimestamp)
  expect(times).toEqual([...times].sort((a, b) => b - a))
}

async function expectSameIds(model: Model, shop: TestStore): Promise<void> {
  const byId = new Map<string, string[]>()
  for (const { topic, queueId: id, offset, message } of model.messages()) {
    byId.set(message.id, [...(byId.get(message.id) ?? []), `${topic} ${id} ${offset}`])
  }
  for (const [id, places] of byId) {
    const found = await shop.store.queryById(id)
    expect(found.map(place).sort()).toEqual(places.sort())
  }
}

function shown(message: MessageView) {
  return {
    id: message.messageId,
    body: message.text(),
    keys: message.keys,
    storeTimestamp: message.storeTimestamp,
  }
}

function shownModel({ id, body, keys, storeTimestamp }: ModelMessage) {
  return { id, body, keys, storeTimestamp }
}

function place({ queue, queueOffset }: MessageView): string {
  return `${queue.topic} ${queue.queueId} ${queueOffset}`
}
