/** One life of an instance: real producers, consumers, broker and store over a simulated disk, until it is closed or crashes. */

import type { Engine } from '../../../src/model/engine.ts'
import { type OpenedEngine, openEngine } from '../../../src/open.ts'
import { type CompleteOpenOptions, parseOpenOptions } from '../../../src/open-options.ts'
import { PocketMQ } from '../../../src/pocketmq.ts'
import type { Store } from '../../../src/store/store.ts'
import type { ClockScope } from '../../../src/testing/clock-scope.ts'
import { layeredEngine } from '../../../src/testing/layer.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import { ObservedMedium } from '../disk/observed-medium.ts'
import type { SimulatedDisk } from '../disk/simulated-disk.ts'
import type { SendCall, SimEvent } from '../events.ts'
import type { Profile } from '../model/profile.ts'
import { queueNameOf } from './copies.ts'
import { guardEngine } from './guard.ts'
import { type VerbTroubles, verbFaults } from './verb-faults.ts'
import { verbObserver } from './verbs.ts'

class SimulatedMQ extends PocketMQ {
  static over(opened: OpenedEngine, options: CompleteOpenOptions): SimulatedMQ {
    return new SimulatedMQ(opened, options)
  }
}

export interface LifeHost {
  readonly profile: Profile
  readonly random: WorkloadRandom
  readonly verbTroubles: VerbTroubles
  tell(event: SimEvent): void
  nextId(): number
  sendOf(number: number): SendCall | undefined
  nextFlush(): number
}

export class Life {
  readonly disk: SimulatedDisk
  readonly scope: ClockScope
  readonly #host: LifeHost
  #isEnded = false
  #mq: PocketMQ | undefined
  #engine: Engine | undefined
  #store: Store | undefined

  constructor(host: LifeHost, disk: SimulatedDisk, scope: ClockScope) {
    this.#host = host
    this.disk = disk
    this.scope = scope
  }

  /** The machine stands still, or the instance is closed: nothing that happens here counts. */
  get isOver(): boolean {
    return this.#isEnded || this.disk.isStopped
  }

  get mq(): PocketMQ {
    return this.#mq!
  }

  /** The engine itself, past faults and observers. */
  get engine(): Engine {
    return this.#engine!
  }

  /** Where the halves of transactions are, which no query shows. */
  get store(): Store {
    return this.#store!
  }

  async open(): Promise<void> {
    const options = this.#options()
    const opened = await openEngine(options, (engine) => {
      this.#engine = engine
      return guardEngine(this.#layered(engine), () => this.isOver)
    })
    this.#store = opened.store
    this.#mq = SimulatedMQ.over(opened, options)
    this.#listen(this.#mq)
  }

  end(): void {
    this.#isEnded = true
    this.scope.end()
  }

  /** Tells an event of this life, unless it is over. */
  readonly tell = (event: SimEvent): void => {
    if (!this.isOver) this.#host.tell(event)
  }

  #options(): CompleteOpenOptions {
    const { profile, random } = this.#host
    const { flushDiskType, flushIntervalMs, syncFlushTimeoutMs, lockLeaseMs, retention } = profile
    const { maxUnappliedBytes, messageDelayLevel, defaultTopicQueueNums } = profile
    const { deduplicationWindowMs } = profile.delays
    const { transactionTimeOutMs, transactionCheckIntervalMs, transactionCheckMax } = profile.transactions
    const complete = parseOpenOptions({
      storage: 'memory',
      flushDiskType,
      flushIntervalMs,
      syncFlushTimeoutMs,
      lockLeaseMs,
      retention,
      limits: { maxUnappliedBytes },
      messageDelayLevel,
      deduplicationWindowMs,
      transactionTimeOutMs,
      transactionCheckIntervalMs,
      transactionCheckMax,
      defaultTopicQueueNums,
      keepAlive: false,
      clock: this.scope,
      random: new SeededRandom(random.below(2 ** 31)),
    })
    const medium = new ObservedMedium(this.disk.medium, this.#flushWatch())
    const { parkedAheadMs } = profile.delays
    return { ...complete, store: { ...complete.store, storage: 'disk', medium, parkedAheadMs } }
  }

  #layered(engine: Engine): Engine {
    const { random, verbTroubles: troubles, nextId, sendOf } = this.#host
    const { scope: clock, tell } = this
    return layeredEngine(engine, [
      verbFaults({ random, clock, troubles, tell }),
      verbObserver({ tell, nextId: () => nextId(), sendOf: (number) => sendOf(number) }),
    ])
  }

  #flushWatch() {
    return {
      began: () => {
        const flush = this.#host.nextFlush()
        this.tell({ type: 'flushing', flush })
        return flush
      },
      ended: (flush: number) => this.tell({ type: 'flushed', flush }),
      failed: (flush: number) => this.tell({ type: 'flush-failed', flush }),
    }
  }

  #listen(mq: PocketMQ): void {
    const { tell } = this
    mq.on('store-state', ({ state }) => tell({ type: 'state', state }))
    mq.on('message-lost', (lost) => {
      const { reason, queue, fromOffset, toOffset, group, clientId: member, delayedCount } = lost
      const whose = { group, member, ...(delayedCount !== undefined && { delayedCount }) }
      tell({ type: 'message-lost', reason, queue: queueNameOf(queue), fromOffset, toOffset, ...whose })
    })
    mq.on('message-dropped', ({ group, clientId: member, queue, queueOffset: offset, reconsumeTimes }) => {
      tell({ type: 'dropped', group, member, queue: queueNameOf(queue), offset, reconsumeTimes })
    })
    mq.on('warning', ({ code }) => tell({ type: 'told', what: 'warning', text: code }))
    mq.on('error', ({ code }) => tell({ type: 'told', what: 'error', text: code }))
    mq.on('dead-letter', ({ group, messageId, reconsumeTimes }) => {
      tell({ type: 'told', what: 'dead-letter', text: `${group} ${messageId} ${reconsumeTimes}` })
    })
    mq.on('retry', ({ group, messageId, reconsumeTimes }) => {
      tell({ type: 'told', what: 'retry', text: `${group} ${messageId} ${reconsumeTimes}` })
    })
  }
}
