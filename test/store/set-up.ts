/** Set-up in one line: a store on a clock that the test moves. It is checked as a whole and closed when the test is over. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { MQEvents } from '../../src/model/events.ts'
import { silentLogger } from '../../src/model/logger.ts'
import type { Message, MessageView } from '../../src/model/message.ts'
import { type MessageId, MessageIdGenerator } from '../../src/model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../../src/model/outgoing-message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { defaultGroupConfig, Permission, type TopicConfig } from '../../src/model/topic.ts'
import type { GroupEntry, TopicEntry } from '../../src/store/catalog.ts'
import type { ParkedEntry } from '../../src/store/parked-page.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import { Store } from '../../src/store/store.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from '../../src/store/store-options.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

type EventOf<Name extends keyof MQEvents> = Parameters<MQEvents[Name]>[0]

const BROKER_NAME = 'localhost'
const middle = { next: () => 0.5 }

/** What a test says of a message; the rest is filled in. */
export type MessageFields = Partial<Omit<Message, 'topic'>> & { readonly id?: MessageId }

export class TestStore {
  readonly clock: ManualClock
  readonly options: StoreOptions
  readonly ids: MessageIdGenerator
  readonly emitted: (readonly [name: keyof MQEvents, event: unknown])[] = []
  /** Changes when the store is opened again. */
  store: Store

  constructor(clock: ManualClock, options: StoreOptions, store: Store) {
    this.clock = clock
    this.options = options
    this.ids = new MessageIdGenerator(clock, middle)
    this.store = store
    this.#listen()
  }

  /** The events of one name, in order. */
  events<Name extends keyof MQEvents>(name: Name): EventOf<Name>[] {
    return this.emitted.filter(([emitted]) => emitted === name).map(([, event]) => event as EventOf<Name>)
  }

  /** Closes the store properly and opens it again. */
  async reopen(): Promise<void> {
    await this.store.close()
    await this.open()
  }

  /** Opens the store again after it was closed, or left to itself. */
  async open(): Promise<void> {
    this.store = await Store.open(this.options)
    this.#listen()
  }

  async createTopic(topic = 'orders', queueNums = 1): Promise<TopicEntry> {
    await this.store.commit({ topics: [topicConfig(topic, queueNums)] })
    return this.topic(topic)
  }

  async createGroup(group = 'billing'): Promise<GroupEntry> {
    await this.store.commit({ groups: [defaultGroupConfig(group)] })
    return this.group(group)
  }

  topic(topic = 'orders'): TopicEntry {
    return present(this.store.catalog.topic(topic), topic)
  }

  group(group = 'billing'): GroupEntry {
    return present(this.store.catalog.group(group), group)
  }

  log(topic = 'orders', queueId = 0): QueueLog {
    return present(this.topic(topic).logs[queueId], `${topic} ${queueId}`)
  }

  message(fields: MessageFields | string = 'x', topic = 'orders'): OutgoingMessage {
    const { id = this.ids.next(), ...rest } = typeof fields === 'string' ? { body: fields } : fields
    return prepareMessage({ topic, body: 'x', ...rest }, id, this.clock.now())
  }

  send(fields: MessageFields | string = 'x', log = this.log(), timeoutMs = 3000): Promise<SendReceipt> {
    return this.store.append(log, this.message(fields, log.queue.topic), { timeoutMs })
  }

  sendBatch(all: readonly (MessageFields | string)[], log = this.log()): Promise<SendReceipt> {
    const messages = all.map((fields) => this.message(fields, log.queue.topic))
    return this.store.append(log, messages, { timeoutMs: 3000 })
  }

  /** All messages of a queue, oldest first. */
  async readAll(log = this.log()): Promise<MessageView[]> {
    const messages: MessageView[] = []
    for (let offset = log.minOffset; offset < log.maxOffset; offset++) {
      const batch = await log.batchAt(offset)
      messages.push(batch.message(offset - batch.baseOffset))
    }
    return messages
  }

  async bodies(log = this.log()): Promise<string[]> {
    return (await this.readAll(log)).map((message) => message.text())
  }

  /** All parked messages, in memory or not. */
  async parked(): Promise<ParkedEntry[]> {
    const found: ParkedEntry[] = []
    for await (const { entries } of this.store.parking.pending({})) found.push(...entries)
    return found
  }

  /** Resolves when all that is due is in memory. */
  async waitForParked(): Promise<void> {
    while (this.store.parking.window.farBucket <= this.clock.now())
      await new Promise((resolve) => setImmediate(resolve))
  }

  /** Compares everything in the store with everything else. */
  async expectSound(): Promise<void> {
    expect((await this.store.check()).problems).toEqual([])
  }

  #listen(): void {
    this.store.onEvent = (name, event) => this.emitted.push([name, event])
  }
}

/** A store in memory without topics, or what the settings ask for. */
export async function openStore(settings: Partial<StoreOptions> = {}): Promise<TestStore> {
  const opened = await openBareStore(settings)
  onTestFinished(async () => {
    if (opened.store.state === 'open') await opened.expectSound()
    await opened.store.close()
  })
  return opened
}

/** The same, closed by whoever asked for it. */
export async function openBareStore(settings: Partial<StoreOptions> = {}): Promise<TestStore> {
  const clock = new ManualClock()
  const options: StoreOptions = {
    ...DEFAULT_STORE_OPTIONS,
    storage: 'memory',
    brokerName: BROKER_NAME,
    clock,
    random: middle,
    logger: silentLogger,
    ...settings,
  }
  return new TestStore(clock, options, await Store.open(options))
}

/** A store with the topic `orders`. */
export async function openShop(queueNums = 1, settings: Partial<StoreOptions> = {}): Promise<TestStore> {
  const shop = await openStore(settings)
  await shop.createTopic('orders', queueNums)
  return shop
}

/** A directory that is gone when the test is over. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pocketmq-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Bytes that a directory takes on the disk. */
export function diskBytes(directory: string): number {
  return Number.parseInt(execFileSync('du', ['-sk', directory], { encoding: 'utf8' }), 10) * 1024
}

export function topicConfig(topic: string, queueNums = 1): TopicConfig {
  return { topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission: Permission.READ_WRITE }
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`there is no ${what}`)
  return value
}
