/**
 * A lite pull consumer and the application around it: it polls, or goes through the messages in a loop, commits when it likes
 * to, goes elsewhere now and then, and does not fetch some queues for a while.
 */
import type { LitePullConsumer } from '../../../src/consumer/lite-pull-consumer.ts'
import { MQError } from '../../../src/model/errors.ts'
import type { MessageView } from '../../../src/model/message.ts'
import type { MessageQueue } from '../../../src/model/message-queue.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { ManualCommit, SeekCall } from '../consumer-events.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import { expressionOf } from '../model/wishes.ts'
import { copyOf, queueNameOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import { type Member, type MemberHost, sleep } from './member.ts'

const TIMEOUTS_MS = [0, 100, 5000]
/** Of who found nothing. */
const LONG_TIMEOUT_MS = 60_000
/** Commits of polls wait for the next one. */
const CALM_TIMEOUT_MS = 4000
const SLOW_MS = [1, 7, 49, 301, 1501, 4999, 20_003]
const ERROR_REST_MS = 1000
const REST_MS = 500

export class LiteMember implements Member {
  readonly name: string
  readonly group: GroupProfile
  readonly life: Life
  readonly #host: MemberHost
  readonly #random: WorkloadRandom
  #consumer: LitePullConsumer | undefined
  #isPaused = false
  #isLeaving = false
  #onResume: (() => void) | undefined
  #paused: MessageQueue[] = []
  /** What was committed last, in calm times. */
  #progress = ''

  constructor(host: MemberHost, life: Life, group: GroupProfile, name: string) {
    this.#host = host
    this.#random = host.random.fork()
    this.life = life
    this.group = group
    this.name = name
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused
    if (isPaused) return
    this.#onResume?.()
    this.#onResume = undefined
  }

  async join(): Promise<void> {
    const { name: group, autoCommit, autoCommitIntervalMs, handOverTimeoutMs } = this.group
    const { pullBatchSize, suspendMs, pullThresholdForQueue, consumeFromWhere } = this.group
    const expressions = [...this.group.subscriptions].map(([topic, wish]) => [topic, expressionOf(wish)])
    this.#consumer = await this.life.mq.createLitePullConsumer({
      group,
      clientId: this.name,
      messageModel: this.group.memberNames.length > 0 ? 'broadcasting' : 'clustering',
      subscriptions: Object.fromEntries(expressions),
      consumeMaxSpan: this.group.consumeConcurrentlyMaxSpan,
      ...{ autoCommit, autoCommitIntervalMs, handOverTimeoutMs },
      ...{ pullBatchSize, suspendMs, pullThresholdForQueue, consumeFromWhere },
    })
  }

  begin(): void {
    void this.#work()
  }

  async leave(): Promise<{ readonly drained: boolean }> {
    this.#isLeaving = true
    this.isPaused = false
    await this.#consumer!.close()
    return { drained: true }
  }

  pause(): void {}

  resume(): void {}

  async #work(): Promise<void> {
    let hadNothing = false
    while (!this.#isLeaving && !this.life.isOver) {
      try {
        if (this.#isPaused) await this.#resumed()
        if (!this.#host.isCalm()) await this.#doBetween()
        const isLoop = !this.#host.isCalm() && this.#random.chance(0.15)
        hadNothing = isLoop ? await this.#loop() : await this.#poll(hadNothing)
        if (this.#random.chance(this.#host.isCalm() ? 0 : this.group.habits.slow))
          await sleep(this.#host, this.life, this.#random.pick(SLOW_MS))
      } catch (error) {
        if (MQError.from(error).code === 'CLOSED') return
        await sleep(this.#host, this.life, ERROR_REST_MS)
      }
    }
  }

  #resumed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onResume = resolve
    })
  }

  /** Answers whether there was nothing. */
  async #poll(hadNothing: boolean): Promise<boolean> {
    const isCalm = this.#host.isCalm()
    if (isCalm) this.#resumeQueues()
    const timeoutMs = isCalm ? CALM_TIMEOUT_MS : hadNothing ? LONG_TIMEOUT_MS : this.#random.pick(TIMEOUTS_MS)
    this.#comeBack()
    const messages = await this.#pollUntilCalm(timeoutMs)
    this.#tellHanded(messages)
    if (messages.length === 0 && timeoutMs === 0) await sleep(this.#host, this.life, REST_MS)
    if (isCalm && !this.group.autoCommit) await this.#commitProgress()
    return messages.length === 0
  }

  /** Who waits long would not commit for long. */
  async #pollUntilCalm(timeoutMs: number): Promise<readonly MessageView[]> {
    const ending = new AbortController()
    const end = (): void => ending.abort()
    const { sleepers } = this.#host
    sleepers.add(end)
    try {
      return await this.#consumer!.poll({ timeoutMs, signal: ending.signal })
    } finally {
      sleepers.delete(end)
    }
  }

  /** Commits if there is something to commit; what a filter let not pass is part of that. */
  async #commitProgress(): Promise<void> {
    const consumer = this.#consumer!
    const queues = consumer.assignment()
    const positions = await Promise.all(queues.map((queue) => consumer.position(queue)))
    const progress = queues
      .map(({ topic, queueId }, index) => `${topic}/${queueId}:${positions[index]}`)
      .join()
    if (progress === this.#progress) return
    await this.#commit(undefined)
    this.#progress = progress
  }

  /** Some messages one by one; the last one it leaves without coming back. */
  async #loop(): Promise<boolean> {
    const ending = new AbortController()
    this.life.scope.setTimer(this.#random.pick([100, 5000]), () => ending.abort())
    const messages = this.#consumer!.messages({ signal: ending.signal })
    const most = this.#random.between(1, 6)
    for (let count = 0; count < most; count++) {
      this.#comeBack()
      const { done, value } = await messages.next()
      if (done === true || value === undefined) return count === 0
      this.#tellHanded([value])
      if (this.#random.chance(this.group.habits.slow))
        await sleep(this.#host, this.life, this.#random.pick(SLOW_MS))
    }
    await messages.return?.()
    return false
  }

  async #doBetween(): Promise<void> {
    const dice = this.#random.next()
    if (dice < 0.06) await this.#seek()
    else if (dice < 0.12) this.#pauseQueue()
    else if (dice < 0.2) this.#resumeQueues()
    else if (dice < 0.23) await this.#commitSomewhere()
    else if (dice < (this.group.autoCommit ? 0.3 : 0.6)) await this.#commit(undefined)
  }

  #comeBack(): void {
    this.life.tell({ type: 'came-back', group: this.group.name, member: this.name })
  }

  #tellHanded(messages: readonly MessageView[]): void {
    if (messages.length === 0) return
    this.life.tell({
      type: 'handed',
      group: this.group.name,
      member: this.name,
      copies: messages.map(copyOf),
    })
    this.#host.repliers.hear(this, messages)
  }

  async #commit(place: { readonly queue: MessageQueue; readonly offset: number } | undefined): Promise<void> {
    const commit: ManualCommit = {
      id: this.#host.world.nextId(),
      group: this.group.name,
      member: this.name,
      offset: place && { queue: queueNameOf(place.queue), offset: place.offset },
    }
    this.life.tell({ type: 'manual-committing', commit })
    try {
      await this.#consumer!.commit(place && [[place.queue, place.offset]])
    } catch (error) {
      this.life.tell({ type: 'manual-commit-failed', commit })
      throw error
    }
    this.life.tell({ type: 'manual-committed', commit })
  }

  /** The application says itself where the group is to go on. */
  async #commitSomewhere(): Promise<void> {
    const queue = this.#anyQueue()
    if (queue !== undefined) await this.#commit({ queue, offset: this.#random.below(20) })
  }

  async #seek(): Promise<void> {
    const consumer = this.#consumer!
    const queue = this.#anyQueue()
    if (queue === undefined) return
    const to = this.#random.pick(['begin', 'end', 'timestamp', 'offset', 'offset'] as const)
    const at =
      to === 'timestamp' ? this.#host.world.clock.now() - this.#random.below(60_000) : this.#random.below(20)
    const id = this.#host.world.nextId()
    const seek: SeekCall = {
      id,
      group: this.group.name,
      member: this.name,
      queue: queueNameOf(queue),
      to,
      at,
    }
    this.life.tell({ type: 'seeking', seek })
    try {
      if (to === 'begin') await consumer.seekToBegin(queue)
      else if (to === 'end') await consumer.seekToEnd(queue)
      else if (to === 'timestamp') await consumer.seekToTimestamp(queue, at)
      else await consumer.seek(queue, at)
    } catch (error) {
      this.life.tell({ type: 'seek-failed', seek })
      throw error
    }
    this.life.tell({ type: 'sought', seek, offset: await consumer.position(queue) })
  }

  #pauseQueue(): void {
    const queue = this.#anyQueue()
    if (queue === undefined) return
    this.#consumer!.pause([queue])
    this.#paused.push(queue)
  }

  /** Those that went to others meanwhile are theirs. */
  #resumeQueues(): void {
    const own = this.#consumer!.assignment().map((queue) => JSON.stringify(queue))
    const paused = this.#paused.splice(0).filter((queue) => own.includes(JSON.stringify(queue)))
    if (paused.length > 0) this.#consumer!.resume(paused)
  }

  #anyQueue(): MessageQueue | undefined {
    const queues = this.#consumer!.assignment()
    return queues.length === 0 ? undefined : this.#random.pick(queues)
  }
}
