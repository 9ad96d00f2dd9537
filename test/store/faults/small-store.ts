/** A small store with a bit of everything, for damaging: two sessions, and perhaps a third one that never closed. */
import { MessageIdGenerator } from '../../../src/model/message-id.ts'
import { prepareMessage } from '../../../src/model/outgoing-message.ts'
import { defaultGroupConfig, Permission } from '../../../src/model/topic.ts'
import type { QueueLog } from '../../../src/store/queue-log.ts'
import type { Store } from '../../../src/store/store.ts'
import { WorkloadRandom } from '../../crash/workload-random.ts'
import type { ManualClock } from '../../helpers/manual-clock.ts'

const TOPIC = { topic: 't', readQueueNums: 2, writeQueueNums: 2, permission: Permission.READ_WRITE }

export class SmallStoreWriter {
  readonly #clock: ManualClock
  readonly #ids: MessageIdGenerator
  #count = 0

  constructor(clock: ManualClock) {
    this.#clock = clock
    this.#ids = new MessageIdGenerator(clock, new WorkloadRandom(3))
  }

  /** Creates what is missing, sends some messages, moves an offset and sets an alarm. */
  async write(store: Store, count: number): Promise<void> {
    if (store.catalog.topic('t') === undefined) {
      await store.commit({ topics: [TOPIC], groups: [defaultGroupConfig('g')] })
    }
    for (let i = 0; i < count; i++) {
      await store.append(this.#log(store, i % 2), this.#message(), { timeoutMs: 1000 })
      // Frames that are apart in time are applied apart: more rows, more to damage.
      if (i % 3 === 0) await this.#clock.advance(600)
    }
    const log = this.#log(store, 0)
    const group = store.catalog.group('g')
    if (group === undefined) throw new Error('the group g is not there')
    await store.commit({
      appends: [{ log: this.#log(store, 1), messages: [this.#message(), this.#message()] }],
      offsets: [{ group, log, offset: log.maxOffset }],
      alarmsSet: [
        {
          kind: 'retry',
          dueTimestamp: this.#clock.now() + 1_000_000,
          groupUid: group.uid,
          queueUid: log.uid,
          queueOffset: log.maxOffset - 1,
          attempt: this.#count,
        },
      ],
    })
  }

  #message() {
    this.#count += 1
    const message = {
      topic: 't',
      body: `body-${this.#count}-of-a-message`,
      keys: [`k${this.#count % 5}`],
      tag: 'x',
    }
    return prepareMessage(message, this.#ids.next(), this.#clock.now())
  }

  #log(store: Store, queueId: number): QueueLog {
    const log = store.catalog.topic('t')?.logs[queueId]
    if (log === undefined) throw new Error('the topic t is not there')
    return log
  }
}
