/** What a listener says is the application's code: nonsense is a failure like any other, and never more than that. */
import { describe, expect, test } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import { openShop } from '../helpers/client-host.ts'
import { Signal } from '../helpers/signal.ts'

const ORDERLY = { mode: 'orderly' } as const
const MODES = [
  ['concurrent', {}, 10_000],
  ['orderly', ORDERLY, 1000],
  ['orderly by message groups', { ...ORDERLY, enableFifoConsumeAccelerator: true }, 1000],
  ['broadcasting', { messageModel: 'broadcasting', broadcastFailure: 'retry' }, 5000],
] as const

const SYMBOL = Symbol('nonsense') as unknown as number
const MINUS_ONE = -1n as unknown as number
const FIVE = 5n as unknown as number

/** A function whose text cannot be read. */
function wordless(): () => undefined {
  const answer = () => undefined
  answer.toString = () => {
    throw new Error('no words')
  }
  return answer
}

type Said = Partial<
  Pick<ConsumeContext, 'ackIndex' | 'delayLevelWhenNextConsume' | 'suspendCurrentQueueTimeMs'>
>

function saying(said: Said) {
  return (context: ConsumeContext): void => {
    Object.assign(context, said)
  }
}

function failingWith(said: Said) {
  return (context: ConsumeContext): never => {
    Object.assign(context, said)
    throw new Error('no stock')
  }
}

/** What a listener does with its context and answers the first time. */
const NONSENSE: [string, (context: ConsumeContext) => unknown, string][] = [
  ['an ackIndex that is a symbol', saying({ ackIndex: SYMBOL }), 'ackIndex'],
  ['an ackIndex of -1n', saying({ ackIndex: MINUS_ONE }), 'ackIndex'],
  ['an ackIndex of 5n', saying({ ackIndex: FIVE }), 'ackIndex'],
  ['an answer whose text throws', wordless, 'returned a function'],
  ['a rest of 5n', failingWith({ suspendCurrentQueueTimeMs: FIVE }), 'no stock'],
  ['a rest that is a symbol', failingWith({ suspendCurrentQueueTimeMs: SYMBOL }), 'no stock'],
  ['a delay level that is a symbol', failingWith({ delayLevelWhenNextConsume: SYMBOL }), 'no stock'],
  ['a delay level of -1n', failingWith({ delayLevelWhenNextConsume: MINUS_ONE }), 'no stock'],
]

/** A promise that calls its handlers more than once, the second time when the gate opens. */
class Twice extends Promise<undefined> {
  gate = new Signal()

  // biome-ignore lint/suspicious/noThenProperty: it is a promise that does it wrong
  override then<A, B>(
    onAnswer?: ((value: undefined) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    void this.gate.promise.then(() => onError?.(new Error('late')))
    return super.then(onAnswer, onError)
  }
}

describe.each(MODES)('A listener in mode %s', (_, options, restMs) => {
  const answers = NONSENSE.flatMap(([what, answer, reason]) => [
    [what, answer, reason] as const,
    [
      `${what}, later`,
      async (context: ConsumeContext) => {
        await undefined
        return answer(context)
      },
      reason,
    ] as const,
  ])

  test.each(answers)('that says %s has failed, and goes on', async (_what, answer, reason) => {
    const host = await openShop()
    const seen: [string, number][] = []
    const consumer = await host.consumer({
      ...options,
      listener: ((message: { text(): string; deliveryAttempt: number }, context: ConsumeContext) => {
        seen.push([message.text(), message.deliveryAttempt])
        return seen.length === 1 ? answer(context) : undefined
      }) as () => undefined,
    })
    await host.send(['a'])
    await host.clock.settle()
    expect(host.events('retry')).toEqual([
      expect.objectContaining({ reconsumeTimes: 1, reason: expect.stringContaining(reason) }),
    ])
    await host.clock.advance(restMs)
    expect(seen).toEqual([
      ['a', 1],
      ['a', 2],
    ])
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 1, unfinishedCount: 0 })
    expect(host.events('error')).toEqual([])
  })

  test('whose promise settles twice settles its own delivery, and no other one', async () => {
    const host = await openShop()
    const twice = Twice.resolve(undefined) as Twice
    const second = new Signal()
    const answers = [twice, second.promise]
    const consumer = await host.consumer({ ...options, listener: (() => answers.shift()) as () => undefined })
    await host.send(['a'])
    await host.clock.settle()
    await host.send(['b'])
    await host.clock.settle()
    twice.gate.resolve()
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 0, runningCount: 1 })
    second.resolve()
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 2, failedCount: 0, runningCount: 0 })
    expect(host.events('retry')).toEqual([])
  })
})
