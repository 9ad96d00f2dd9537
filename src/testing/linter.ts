/**
 * Finds code that works here and breaks on a RocketMQ cluster, while it runs. It only looks: what rules want to know of the
 * engine is asked past the layers, so that it meets no fault and uses none up.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Broker } from '../broker/broker.ts'
import type { PushConsumerOptions } from '../consumer/push-consumer-options.ts'
import { parsePushConsumerOptions } from '../consumer/push-consumer-options.ts'
import type { ConsumerRegistration, SendRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { WarningEvent } from '../model/events.ts'
import type { ReplyRequest } from '../model/request-verbs.ts'
import { isRetryTopic } from '../model/topic.ts'
import type { ProducerOptions } from '../producer/producer-options.ts'
import type { CallListener, ListenerCall, TestLayer } from './layer.ts'
import { Findings, type FindingsHost, type LintFinding } from './lint/findings.ts'
import { repeatedEffect } from './lint/repeated-effect.ts'
import type {
  ConsumerSettings,
  LintRule,
  LintWatcher,
  ListenerRun,
  SeenConsumer,
  SeenProducer,
  SeenSend,
} from './lint/rule.ts'
import { LINT_RULES, type LintCode } from './lint/rules.ts'
import { type EngineAudience, seenEngine } from './lint/seen-engine.ts'

/** What a test sees of the linter. */
export interface LintReport {
  /** What breaks, or may break, on a cluster; in the order in which it was found. A subject is listed once. */
  readonly findings: readonly LintFinding[]
  /** What the cluster has to be set up for, or does differently; nothing fails because of a note. */
  readonly notes: readonly LintFinding[]
  /** Findings and notes by rule, with reasons and advice: for the end of a run. */
  summary(): string
}

/** How strictly the linter looks. */
export interface LintSettings {
  readonly level: 'off' | 'warn' | 'throw'
  /** Rules that are switched off. */
  readonly ignore: readonly LintCode[]
}

export interface LinterHost extends FindingsHost {
  readonly settings: LintSettings
  /** Milliseconds on the virtual clock, and in earnest. */
  monotonicMs(): number
  realMs(): number
}

/** What the linter asks of an engine. */
type LintedBroker = Pick<Broker, 'queryTopics'>

export class Linter implements LintReport {
  readonly #host: LinterHost
  readonly #findings: Findings
  readonly #watchers: readonly LintWatcher[]
  /** Which call of a listener something belongs to. It makes every promise slower, so it is there only when asked for. */
  readonly #runs: AsyncLocalStorage<ListenerRun> | undefined
  readonly #settings = new Map<string, ConsumerSettings>()
  readonly #checkers = new Map<string, unknown>()
  /** Clients that are there or about to be, by group and client id. */
  readonly #consumers = new Map<string, SeenConsumer>()
  readonly #producers = new Map<string, SeenProducer>()
  #broker: LintedBroker | undefined
  #producerCount = 0
  /** What the rules object to in the step that is being looked at. */
  #objections: string[] = []

  constructor(host: LinterHost) {
    const { level, ignore } = host.settings
    this.#host = host
    this.#findings = new Findings(host)
    const rules: readonly LintRule<LintCode>[] =
      level === 'off' ? [] : LINT_RULES.filter(({ code }) => !ignore.includes(code))
    this.#watchers = rules.map((rule) => rule.watch((found) => this.#take(rule, found)))
    this.#runs = rules.includes(repeatedEffect) ? new AsyncLocalStorage() : undefined
  }

  get findings(): readonly LintFinding[] {
    return this.#findings.all.filter(({ severity }) => severity !== 'note')
  }

  get notes(): readonly LintFinding[] {
    return this.#findings.all.filter(({ severity }) => severity === 'note')
  }

  summary(): string {
    if (!this.#isOn) return "The linter is off; createTestMQ({ strict: 'warn' }) switches it on."
    const { findings, notes } = this
    const head = `The linter has ${countText(findings.length, 'finding')} and ${countText(notes.length, 'note')}.`
    return [head, this.#findings.text(LINT_RULES, () => true)].filter(Boolean).join('\n')
  }

  get #isOn(): boolean {
    return this.#host.settings.level !== 'off'
  }

  /** Stands next to the application. */
  layer(): TestLayer {
    return {
      engine: (next) => seenEngine(next, this.#audience()),
      listener: (next) => (call) => this.#call(next, call),
    }
  }

  /** A life of the instance begins; whoever was there in the last one is gone. */
  attend(broker: LintedBroker): void {
    this.#broker = broker
    this.#consumers.clear()
    this.#producers.clear()
  }

  /** The instance told the application this. */
  noteWarning(warning: WarningEvent): void {
    this.#tell((watcher) => watcher.warned?.(warning))
  }

  /** Notes what a consumer of this name does not tell the engine. What is wrong with it is for others to refuse. */
  noteConsumer(options: PushConsumerOptions, clientId = options?.clientId ?? ''): void {
    if (!this.#isOn) return
    try {
      const settings = parsePushConsumerOptions(options)
      this.#settings.set(keyOf(settings.group, clientId), settings)
    } catch (error) {
      if (!(error instanceof MQError)) throw error
    }
  }

  /** Notes what a producer does not tell the engine; answers the options with a name to know it by. */
  noteProducer(options: ProducerOptions): ProducerOptions {
    if (!this.#isOn || typeof options !== 'object' || options === null) return options
    const { group, clientId = `${group}-producer-${++this.#producerCount}` } = options
    this.#checkers.set(keyOf(group, clientId), Reflect.get(options, 'transactionChecker'))
    return { ...options, clientId }
  }

  /** With `strict: 'throw'`, throws `LINT_FAILED` with everything that was found and could not be refused. */
  checkPassed(): void {
    const open = this.findings.filter(({ isRefused }) => !isRefused)
    if (this.#host.settings.level !== 'throw' || open.length === 0) return
    const isOpen = (finding: LintFinding): boolean => finding.severity !== 'note' && !finding.isRefused
    const head = `The linter has ${countText(open.length, 'finding')}; on a RocketMQ cluster this breaks or may break:`
    throw new MQError('LINT_FAILED', [head, this.#findings.text(LINT_RULES, isOpen)].join('\n'))
  }

  #take(rule: LintRule<LintCode>, found: Parameters<Findings['add']>[1]): void {
    const isRefused = this.#host.settings.level === 'throw' && rule.refuses
    this.#findings.add(rule, found, isRefused)
    if (isRefused) this.#objections.push(`${rule.code}: ${found.message} ${rule.advice}`)
  }

  /** Lets the rules look at what is about to happen, and throws if one of them objects. */
  #ask(look: (watcher: LintWatcher) => void): void {
    this.#objections = []
    for (const watcher of this.#watchers) look(watcher)
    if (this.#objections.length === 0) return
    const text = `${this.#objections.join('\n')}\nSwitch a rule off with strict: { level: 'throw', ignore: [...] }.`
    throw new MQError('LINT_FAILED', text, { outcome: 'not-attempted' })
  }

  #tell(look: (watcher: LintWatcher) => void): void {
    for (const watcher of this.#watchers) look(watcher)
  }

  #audience(): EngineAudience {
    return {
      beforeConsumer: (registration) => this.#beforeConsumer(registration),
      beforeProducer: (group, clientId) => this.#beforeProducer(group, clientId),
      beforeSend: (send) => this.#ask((watcher) => watcher.sends?.(send)),
      beforeRecall: (topic) => this.#ask((watcher) => watcher.recalls?.(topic)),
      beforeReply: (reply) => this.#beforeReply(reply),
      afterConsumer: ({ group }) => this.#tellSpread(group),
      afterConsumerLeft: (group, clientId) => this.#afterConsumerLeft(group, clientId),
      afterProducerLeft: (group, clientId) => void this.#producers.delete(keyOf(group, clientId)),
      afterSend: (send) => this.#tell((watcher) => watcher.sent?.(send)),
      isKnown: async (topic) => (await this.#queueCounts()).has(topic),
      afterCreation: (topic) => this.#afterCreation(topic),
      see: (request, way, delayMs) => this.#see(request, way, delayMs),
    }
  }

  #beforeConsumer(registration: ConsumerRegistration): void {
    const { group, clientId } = registration
    const key = keyOf(group, clientId)
    const consumer = { registration, settings: this.#settings.get(key) }
    const others = this.#members(group).filter((each) => each.registration.clientId !== clientId)
    this.#ask((watcher) => watcher.consumerJoins?.(consumer, others))
    this.#consumers.set(key, consumer)
  }

  #beforeProducer(group: string, clientId: string): void {
    const key = keyOf(group, clientId)
    const producer = { group, clientId, transactionChecker: this.#checkers.get(key) }
    const others = [...this.#producers.values()].filter(
      (each) => each.group === group && each.clientId !== clientId,
    )
    this.#ask((watcher) => watcher.producerJoins?.(producer, others))
    this.#producers.set(key, producer)
  }

  #beforeReply({ group, request: { topic, messageId } }: ReplyRequest): void {
    const reply = { group, topic, messageId, members: this.#members(group) }
    this.#ask((watcher) => watcher.replies?.(reply))
  }

  async #tellSpread(group: string): Promise<void> {
    const members = this.#members(group).filter(({ registration }) => sharesQueues(registration))
    const counts = await this.#queueCounts()
    const topics = new Set(members.flatMap(({ registration }) => [...registration.subscriptions.keys()]))
    const known = [...topics].filter((topic) => !isRetryTopic(topic) && counts.has(topic))
    if (known.length === 0) return
    const queueCount = Math.max(...known.map((topic) => counts.get(topic)!))
    this.#tell((watcher) => watcher.groupSpread?.(group, members.length, queueCount))
  }

  async #afterConsumerLeft(group: string, clientId: string): Promise<void> {
    const key = keyOf(group, clientId)
    const consumer = this.#consumers.get(key)
    if (consumer === undefined) return
    this.#consumers.delete(key)
    const counts = await this.#queueCounts()
    const missing = [...consumer.registration.subscriptions.keys()].filter((topic) => !counts.has(topic))
    this.#tell((watcher) => watcher.consumerLeft?.(consumer, missing))
  }

  async #afterCreation(topic: string): Promise<void> {
    this.#tell((watcher) => watcher.topicCreated?.(topic))
    const concerned = [...this.#consumers.values()].filter(({ registration }) =>
      registration.subscriptions.has(topic),
    )
    const groups = new Set(concerned.map(({ registration }) => registration.group))
    for (const group of groups) await this.#tellSpread(group)
  }

  #see({ producerGroup, queue, messages }: SendRequest, way: SeenSend['way'], delayMs: number): SeenSend {
    const during = this.#runs?.getStore()
    return { producerGroup, topic: queue.topic, messages: [messages].flat(), way, delayMs, during }
  }

  #members(group: string): readonly SeenConsumer[] {
    return [...this.#consumers.values()].filter(({ registration }) => registration.group === group)
  }

  /** The topics that there are, with their read queues. */
  async #queueCounts(): Promise<ReadonlyMap<string, number>> {
    const topics = (await this.#broker?.queryTopics()) ?? []
    return new Map(topics.map(({ topic, readQueueNums }) => [topic, readQueueNums]))
  }

  async #call(next: CallListener, call: ListenerCall) {
    const run: ListenerRun = { call }
    const { signal } = call.context
    const startedMs = this.#host.monotonicMs()
    const startedRealMs = this.#host.realMs()
    const end = (isTimedOut: boolean): void => {
      signal.removeEventListener('abort', onAbort)
      const virtualMs = this.#host.monotonicMs() - startedMs
      const realMs = this.#host.realMs() - startedRealMs
      this.#tell((watcher) => watcher.listenerEnded?.(run, { isTimedOut, virtualMs, realMs }))
    }
    const onAbort = (): void => {
      const { reason } = signal
      if (reason instanceof MQError && reason.code === 'CONSUME_MSG_TIMEOUT') end(true)
    }
    signal.addEventListener('abort', onAbort)
    try {
      return await (this.#runs?.run(run, () => next(call)) ?? next(call))
    } finally {
      if (!signal.aborted) end(false)
    }
  }
}

/** Broadcasting members have every queue, and simple consumers none. */
function sharesQueues({ messageModel, consumeType }: ConsumerRegistration): boolean {
  return messageModel === 'clustering' && consumeType !== 'pop'
}

/** Names hold no `@`. */
function keyOf(group: string, clientId: string): string {
  return `${group}@${clientId}`
}

function countText(count: number, noun: string): string {
  return `${count === 0 ? 'no' : count} ${noun}${count === 1 ? '' : 's'}`
}
