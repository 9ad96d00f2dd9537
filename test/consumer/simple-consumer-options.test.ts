import { describe, expect, test } from 'vitest'
import { SimpleConsumer } from '../../src/consumer/simple-consumer.ts'
import {
  parseReceiveOptions,
  parseSimpleConsumerOptions,
  type ReceiveOptions,
  type SimpleConsumerOptions,
} from '../../src/consumer/simple-consumer-options.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const OPTIONS: SimpleConsumerOptions = { group: 'billing', subscriptions: { orders: 'paid' } }

/** What a call throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return 'nothing'
}

describe('The options of a simple consumer', () => {
  test('are completed and frozen', () => {
    const options = parseSimpleConsumerOptions(OPTIONS)
    expect(options).toMatchObject({ group: 'billing', awaitDurationMs: 20_000 })
    expect(options.consumeMessageOrderly).toBeUndefined()
    expect([...options.subscriptions].map(([topic, { expression }]) => [topic, expression])).toEqual([
      ['orders', 'paid'],
    ])
    expect(Object.isFrozen(options)).toBe(true)
  })

  test.each([
    [undefined, 'object'],
    [{}, 'group'],
    [{ ...OPTIONS, group: 'no blanks' }, 'illegal characters'],
    [{ ...OPTIONS, group: 'DEFAULT_CONSUMER' }, 'reserved'],
    [{ group: 'billing' }, 'subscriptions'],
    [{ group: 'billing', subscriptions: {} }, 'at least one topic'],
    [{ ...OPTIONS, subscriptions: { '%RETRY%billing+orders': '*' } }, 'anyway'],
    [{ ...OPTIONS, awaitDurationMs: -1 }, 'awaitDurationMs'],
    [{ ...OPTIONS, awaitDurationMs: '1s' }, 'awaitDurationMs'],
    [{ ...OPTIONS, consumeMessageOrderly: 1 }, 'consumeMessageOrderly'],
    [{ ...OPTIONS, clientId: ' ' }, 'clientId'],
    [{ ...OPTIONS, signal: {} }, 'signal'],
    [{ ...OPTIONS, awaitDuration: 1 }, "Did you mean 'awaitDurationMs'?"],
    [{ ...OPTIONS, allocateStrategy: {} }, "unknown option 'allocateStrategy'"],
  ])('%j are refused, and %s is named', (options, text) => {
    const error = thrownBy(() => parseSimpleConsumerOptions(options as SimpleConsumerOptions))
    expect(error).toEqual(mqError('INVALID_PARAMETER', text))
  })

  test('with an expression that cannot be parsed are refused', () => {
    const options = { ...OPTIONS, subscriptions: { orders: 'a | b' } }
    expect(thrownBy(() => parseSimpleConsumerOptions(options))).toEqual(mqError('SUBSCRIPTION_PARSE_FAILED'))
  })
})

describe('The options of a receive', () => {
  test('are completed', () => {
    expect(parseReceiveOptions({}, 5000)).toEqual({
      maxMessages: 16,
      invisibleDurationMs: 60_000,
      awaitDurationMs: 5000,
      signal: undefined,
    })
  })

  test.each([
    { maxMessages: 1 },
    { maxMessages: 32 },
    { invisibleDurationMs: 1 },
    { invisibleDurationMs: 12 * 3_600_000 },
    { awaitDurationMs: 0 },
  ])('%j are taken', (options) => {
    expect(parseReceiveOptions(options, 5000)).toMatchObject(options)
  })

  test.each([
    [{ maxMessages: 0 }, 'maxMessages must be a whole number from 1 to 32, not 0'],
    [{ maxMessages: 33 }, 'maxMessages'],
    [{ maxMessages: 1.5 }, 'maxMessages'],
    [{ maxMessages: '8' }, 'maxMessages'],
    [{ invisibleDurationMs: 0 }, 'invisibleDurationMs must be a whole number from 1 to 43200000, not 0'],
    [{ invisibleDurationMs: 12 * 3_600_000 + 1 }, 'invisibleDurationMs'],
    [{ invisibleDurationMs: Number.NaN }, 'invisibleDurationMs'],
    [{ awaitDurationMs: -1 }, 'awaitDurationMs'],
    [{ awaitDurationMs: Number.POSITIVE_INFINITY }, 'awaitDurationMs'],
    [{ signal: 'now' }, 'AbortSignal'],
    [{ invisibleDuration: 1000 }, "no option 'invisibleDuration'"],
    [null, 'options'],
    [16, 'options'],
  ])('%j are refused: %s', async (options, text) => {
    const host = await openShop()
    const consumer = await SimpleConsumer.start(host, OPTIONS)
    const refused = mqError('INVALID_PARAMETER', text)
    await expect(consumer.receive(options as ReceiveOptions)).rejects.toEqual(refused)
  })
})
