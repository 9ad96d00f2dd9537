/** LevelDB refuses writes for a while: sends go on, and when it works again everything is there. */
import { expect, test } from 'vitest'
import type { StoreState } from '../../../src/model/events.ts'
import { MessageIdGenerator } from '../../../src/model/message-id.ts'
import { prepareMessage } from '../../../src/model/outgoing-message.ts'
import { Permission } from '../../../src/model/topic.ts'
import type { QueueLog } from '../../../src/store/queue-log.ts'
import { Store } from '../../../src/store/store.ts'
import { WorkloadRandom } from '../../crash/workload-random.ts'
import { FaultMedium } from '../../helpers/fault-medium.ts'
import { ManualClock } from '../../helpers/manual-clock.ts'
import { readContent } from './history.ts'
import { faultOptions } from './lives.ts'

const TOPIC = { topic: 't', readQueueNums: 1, writeQueueNums: 1, permission: Permission.READ_WRITE }

async function openFaulty(failing: { kinds: readonly string[] }) {
  const clock = new ManualClock()
  const ids = new MessageIdGenerator(clock, new WorkloadRandom(1))
  const decide = ({ kind }: { kind: string }) => (failing.kinds.includes(kind) ? 'fails-before' : 'works')
  const medium = new FaultMedium({ decide })
  const store = await Store.open(faultOptions(medium, clock, 'ASYNC_FLUSH'))
  const states: StoreState[] = []
  store.onEvent = (name, event) => {
    if (name === 'store-state' && 'state' in event) states.push(event.state)
  }
  await store.commit({ topics: [TOPIC] })
  const log = store.catalog.topic('t')?.logs[0] as QueueLog
  const send = (body: string) =>
    store.append(log, prepareMessage({ topic: 't', body }, ids.next(), clock.now()), { timeoutMs: 1000 })
  return { clock, medium, store, states, log, send }
}

for (const kind of ['commitlog.batch', 'index.batch', 'commitlog.open', 'index.open'] as const) {
  test(`While ${kind} fails, sends go on; afterwards everything is in the databases`, async () => {
    const failing: { kinds: readonly string[] } = { kinds: [] }
    const { clock, medium, store, states, send } = await openFaulty(failing)
    await send('before')
    await clock.advance(600)

    // Opening again is only tried when a write was rejected.
    failing.kinds = [kind, 'index.batch']
    for (let i = 0; i < 5; i++) {
      await send(`during ${i}`)
      await clock.advance(600)
    }
    expect(states).toEqual(['healing'])
    expect(store.state).toBe('healing')

    failing.kinds = []
    await clock.advance(10_000)
    expect(states).toEqual(['healing', 'open'])
    await send('after')
    await clock.advance(600)
    expect(await store.check()).toMatchObject({ ok: true, messageCount: 7 })
    await store.close()

    const again = await Store.open(faultOptions(medium.crash('power'), clock, 'ASYNC_FLUSH'))
    expect(again.recovery.clean).toBe(true)
    expect((await readContent(again)).queues.get('t/0')?.bodies).toEqual([
      'before',
      ...Array.from({ length: 5 }, (_, i) => `during ${i}`),
      'after',
    ])
    await again.close()
  })
}

test('A rejected write is followed by no other one before the databases are opened again', async () => {
  const failing: { kinds: readonly string[] } = { kinds: [] }
  const { clock, medium, store, send } = await openFaulty(failing)
  await send('one')
  failing.kinds = ['index.batch']
  await clock.advance(510)
  failing.kinds = []
  await send('two')
  await clock.advance(10_000)
  await store.flush()
  // What came behind the rejected record in the same log would be lost by now.
  const again = await Store.open(faultOptions(medium.crash('kill'), clock, 'ASYNC_FLUSH'))
  expect((await readContent(again)).queues.get('t/0')?.bodies).toEqual(['one', 'two'])
  expect((await again.check()).ok).toBe(true)
  await again.close()
})
