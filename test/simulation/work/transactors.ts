/**
 * Applications that send in transactions, in both styles. Their producers come and go, so that others of the group are asked, or
 * nobody; their machines like to stop between any two steps.
 */
import type { SendReceipt } from '../../../src/model/results.ts'
import type { TransactionResolution } from '../../../src/model/transaction.ts'
import type { Producer } from '../../../src/producer/producer.ts'
import type { Transaction } from '../../../src/producer/transaction.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import { TAGS } from '../model/profile.ts'
import { propertiesOf } from '../model/sql-condition.ts'
import type { End, EndCall, TransactionCall } from '../transaction-events.ts'
import { bodyOf, queueNameOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import { refusalOf } from '../world/refusal.ts'
import type { World } from '../world/world.ts'
import { type Answer, Application, plainStory, type Story, storyOf } from './application.ts'
import { Asked } from './asked.ts'
import { stumble } from './stumble.ts'

/** An end that failed is tried again so often, so long after the other. */
const MOST_TRIES = 3
const RETRY_MS = 900

interface Sender {
  readonly name: string
  readonly group: string
  readonly producer: Producer
}

export class Transactors {
  readonly #world: World
  readonly #random: WorkloadRandom
  readonly #application = new Application()
  readonly #asked: Asked
  #senders: Sender[] = []
  /** Names that are borne, also while their producers come and go. */
  readonly #borne = new Set<string>()
  /** What of this life nobody has been told about. */
  readonly #pending = new Set<string>()
  #isCalm = false

  constructor(world: World) {
    this.#world = world
    this.#random = world.transactionRandom
    this.#asked = new Asked(world, this.#application)
  }

  get pending(): Iterable<string> {
    return this.#pending
  }

  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  /** After each opening: most come back. */
  begin(): void {
    this.#senders = []
    this.#borne.clear()
    this.#pending.clear()
    for (const group of this.#groups())
      for (const name of this.#names(group)) if (this.#random.chance(0.6)) this.#come(group, name)
  }

  /** One of the things that happen to those who send in transactions. */
  act(): void {
    if (this.#random.chance(0.15)) this.#comeOrGo()
    else this.#transact()
  }

  /** From now on somebody of each group is there, and whoever is asked says what it knows. */
  calm(): void {
    this.#isCalm = true
    this.#asked.calm()
    for (const group of this.#groups()) {
      const names = this.#names(group)
      if (!names.some((name) => this.#borne.has(name))) this.#come(group, names[0]!)
    }
  }

  /** A transaction that is committed at once. */
  probe(topic: string): void {
    const [sender] = this.#senders
    if (sender === undefined) return
    const story = plainStory(this.#storyOf(sender))
    if (this.#random.chance(0.5)) void this.#listen(sender, topic, story)
    else void this.#drive(sender, topic, story)
  }

  #groups(): string[] {
    return Array.from(
      { length: this.#world.profile.transactions.groupCount },
      (_, index) => `sellers-${index}`,
    )
  }

  #names(group: string): string[] {
    const { producerCount } = this.#world.profile.transactions
    return ['a', 'b', 'c'].slice(0, producerCount).map((name) => `${group}-${name}`)
  }

  #comeOrGo(): void {
    const group = this.#random.pick(this.#groups())
    const name = this.#random.pick(this.#names(group))
    const sender = this.#senders.find((each) => each.name === name)
    if (sender !== undefined) this.#go(sender)
    else if (!this.#borne.has(name)) this.#come(group, name)
  }

  #come(group: string, name: string): void {
    const { life } = this.#world
    this.#borne.add(name)
    life.tell({ type: 'answering', producerGroup: group, producer: name })
    const transactionChecker = this.#asked.checkerOf(life, group, name)
    const options = { group, clientId: name, transactionChecker }
    life.mq.createProducer(options).then(
      (producer) => {
        if (!life.isOver) this.#senders.push({ name, group, producer })
      },
      () => this.#forget(life, group, name),
    )
  }

  #go({ name, group, producer }: Sender): void {
    const { life } = this.#world
    this.#senders = this.#senders.filter((each) => each.name !== name)
    const gone = (): void => this.#forget(life, group, name)
    producer.close().then(gone, gone)
  }

  #forget(life: Life, producerGroup: string, producer: string): void {
    if (life.isOver) return
    life.tell({ type: 'silent', producerGroup, producer })
    this.#borne.delete(producer)
    if (this.#isCalm) this.calm()
  }

  #transact(): void {
    if (this.#senders.length === 0) return
    const sender = this.#random.pick(this.#senders)
    const topic = this.#random.pick(this.#world.profile.topics).name
    const { clumsiness } = this.#world.profile.transactions
    const story = storyOf(this.#storyOf(sender), this.#random, this.#isCalm ? 0 : clumsiness)
    if (this.#random.chance(0.5)) void this.#listen(sender, topic, story)
    else void this.#drive(sender, topic, story)
  }

  #storyOf({ group }: Sender) {
    return { number: this.#world.nextId(), producerGroup: group, life: this.#world.history.life }
  }

  /** The producer stores the half, has the local transaction run, and ends it as that says. */
  async #listen(sender: Sender, topic: string, story: Story): Promise<void> {
    const { life } = this.#world
    const { call, message } = this.#begin(sender, topic, story, 'listener')
    let ending: EndCall | undefined
    let hasRun = false
    const local = async (_: unknown, receipt: SendReceipt): Promise<TransactionResolution> => {
      hasRun = true
      this.#tellHalf(life, call, receipt)
      // From here on it takes as long as it takes.
      this.#pending.delete(nameOf(call))
      const answer = await this.#work(life, story)
      if (answer === 'COMMIT' || answer === 'ROLLBACK') ending = this.#beginEnd(life, story.number, answer)
      stumble(this.#world, this.#random)
      return answer as TransactionResolution
    }
    try {
      const { receipt, resolution, error } = await sender.producer.sendInTransaction(message, local)
      if (life.isOver) return
      // A half that may be lost is rolled back at once.
      if (!hasRun) this.#tellHalf(life, call, receipt)
      const isRolledBack = resolution === 'ROLLBACK' || error !== undefined
      if (!hasRun && isRolledBack) ending = this.#beginEnd(life, story.number, 'ROLLBACK')
      if (ending !== undefined) this.#tellEnd(life, ending, error)
    } catch (error) {
      life.tell({ type: 'half-refused', transaction: call, refusal: refusalOf(error) })
    }
    if (!life.isOver) this.#pending.delete(nameOf(call))
  }

  /** The application sends, works, and ends its transaction itself. */
  async #drive(sender: Sender, topic: string, story: Story): Promise<void> {
    const { life } = this.#world
    const { call, message } = this.#begin(sender, topic, story, 'explicit')
    let transaction: Transaction
    try {
      transaction = sender.producer.beginTransaction()
      const receipt = await sender.producer.send(message, { transaction })
      this.#tellHalf(life, call, receipt)
    } catch (error) {
      life.tell({ type: 'half-refused', transaction: call, refusal: refusalOf(error) })
      if (!life.isOver) this.#pending.delete(nameOf(call))
      return
    }
    if (life.isOver) return
    this.#pending.delete(nameOf(call))
    const answer = await this.#work(life, story).catch(() => 'UNKNOWN' as const)
    if (answer !== 'COMMIT' && answer !== 'ROLLBACK') return
    // Who looks into the database does what it says.
    const isOther = story.wish !== undefined && answer !== story.wish
    const ends: readonly End[] = isOther ? [answer] : story.ends
    for (const end of ends) {
      const ended = this.#end(life, transaction, story.number, end)
      if (!story.isAtOnce) await ended
    }
  }

  #begin({ name, group }: Sender, topic: string, story: Story, style: TransactionCall['style']) {
    const { life } = this.#world
    const { number } = story
    this.#application.add(story)
    const call = { id: this.#world.nextId(), number, topic, producer: name, producerGroup: group, style }
    const message = this.#message(number, topic, group)
    this.#pending.add(nameOf(call))
    life.tell({ type: 'half-sending', transaction: call })
    return { call, message }
  }

  #message(number: number, topic: string, group: string) {
    const { profile, history, clock } = this.#world
    const body = bodyOf(number, this.#random.between(1, profile.bodyBytes))
    const keys = this.#random.chance(0.3) ? [`k${number % 7}`, `n${number}`] : []
    const tag = this.#random.chance(0.25) ? undefined : this.#random.pick(TAGS)
    const properties = propertiesOf(number)
    const sent = { number, topic, body, tag, keys, messageGroup: undefined, bornTimestamp: clock.now() }
    const added = { TRAN_MSG: 'true', PGROUP: group }
    history.model.sends.messages.set(number, { ...sent, properties: { ...properties, ...added } })
    return { topic, body, keys, properties, ...(tag !== undefined && { tag }) }
  }

  #tellHalf(life: Life, transaction: TransactionCall, receipt: SendReceipt): void {
    const { messageId, status, queue, storeTimestamp } = receipt
    const half = { messageId, status, queue: queueNameOf(queue), storeTimestamp }
    life.tell({ type: 'half-stored', transaction, half })
  }

  /** The local part, with its database. Answers what it says in the end; throws, or never answers, if that is its way. */
  async #work(life: Life, { number, wish, workMs, answer, isCareless }: Story): Promise<Answer | undefined> {
    stumble(this.#world, this.#random)
    if (workMs > 0) await new Promise<void>((resolve) => life.scope.setTimer(workMs, resolve))
    if (life.isOver) return never()
    if (wish !== undefined) {
      const { end, isNew } = this.#application.store(number, wish)
      if (isNew) life.tell({ type: 'settled-locally', number, end })
      stumble(this.#world, this.#random)
      if (answer === wish) return isCareless ? wish : end
    }
    if (answer === 'throws') throw new Error(`no ${number}`)
    if (answer === 'never') return never()
    return answer === 'nothing' ? undefined : answer
  }

  #beginEnd(life: Life, number: number, end: End): EndCall {
    const ending = { id: this.#world.nextId(), number, end }
    this.#pending.add(`the ${end} ${ending.id} of ${number}`)
    life.tell({ type: 'ending', ending })
    return ending
  }

  #tellEnd(life: Life, ending: EndCall, error?: unknown): void {
    if (life.isOver) return
    this.#pending.delete(`the ${ending.end} ${ending.id} of ${ending.number}`)
    if (error === undefined) life.tell({ type: 'ended', ending })
    else life.tell({ type: 'end-failed', ending, refusal: refusalOf(error) })
  }

  /** What failed is tried again, unless that is of no use. */
  async #end(life: Life, transaction: Transaction, number: number, end: End): Promise<void> {
    for (let tries = 1; tries <= MOST_TRIES && !life.isOver; tries++) {
      const ending = this.#beginEnd(life, number, end)
      const done = end === 'COMMIT' ? transaction.commit() : transaction.rollback()
      stumble(this.#world, this.#random)
      const error = await done.then(
        () => undefined,
        (caught: unknown) => caught ?? 'nothing',
      )
      this.#tellEnd(life, ending, error)
      const { code } = refusalOf(error)
      if (error === undefined || code === 'ILLEGAL_OPERATION' || code === 'TOPIC_NOT_EXIST') return
      await new Promise<void>((resolve) => life.scope.setTimer(RETRY_MS, resolve))
    }
  }
}

function nameOf({ number }: TransactionCall): string {
  return `the half of ${number}`
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}
