import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { checkBody } from '../../src/model/check-value.ts'
import { formatIssues, formatPath } from '../../src/model/schema-issue.ts'
import { splitIntoBatches } from '../../src/model/split-into-batches.ts'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { checkOrder, schemaOf } from '../helpers/schemas.ts'

const orders = defineTopic({ name: 'orders', schema: schemaOf(checkOrder) })
const body = (text: string): Buffer => Buffer.from(text)

describe('defineTopic', () => {
  test('keeps name and schema, and cannot be changed', () => {
    expect(orders.name).toBe('orders')
    expect(Object.isFrozen(orders)).toBe(true)
  })

  test('takes a schema that is a function, as those of some libraries are', () => {
    const schema = Object.assign(() => undefined, schemaOf(checkOrder))
    expect(defineTopic({ name: 'orders', schema }).schema).toBe(schema)
  })

  test.each([
    ['nothing', undefined, 'defineTopic needs'],
    ['a name that is no topic', { name: 'no spaces', schema: schemaOf(checkOrder) }, 'no spaces'],
    ['no schema', { name: 'orders' }, 'Standard Schema'],
    ['a schema of its own kind', { name: 'orders', schema: { parse: () => 1 } }, 'Standard Schema'],
    ['another version', { name: 'orders', schema: { '~standard': { version: 2, validate: () => 1 } } }, '1'],
    ['an option too many', { name: 'orders', schema: schemaOf(checkOrder), queues: 4 }, "'queues'"],
  ])('refuses %s', (_, definition, text) => {
    expect(() => Reflect.apply(defineTopic, undefined, [definition])).toThrow(
      mqError('INVALID_PARAMETER', text),
    )
  })
})

describe('Checking a body', () => {
  test('gives the output of the schema', () => {
    const doubled = schemaOf((value) => ({ value: Number(value) * 2 }))
    expect(checkBody(defineTopic({ name: 'a', schema: doubled }), { body: body('21') })).toEqual({
      value: 42,
    })
  })

  test('lists what is wrong, with paths as keys', () => {
    expect(checkBody(orders, { body: body('{}') })).toEqual({
      error: expect.objectContaining({
        code: 'SCHEMA_MISMATCH',
        issues: [
          { path: ['id'], message: 'must be a string' },
          { path: ['amount'], message: 'must be a number' },
        ],
        message: expect.stringContaining('id: must be a string; amount: must be a number'),
      }),
    })
  })

  test.each([
    ['no JSON', body('{'), 'body: it is no JSON: '],
    ['an empty body', body(''), 'body: it is no JSON: '],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'its bytes are no UTF-8'],
  ])('refuses %s', (_, bytes, text) => {
    expect(checkBody(orders, { body: bytes })).toEqual({ error: mqError('SCHEMA_MISMATCH', text) })
  })

  const oddities: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('odd')
      },
    ],
    [
      'throws something that is no error',
      () => {
        throw 'odd'
      },
    ],
    ['rejects', () => Promise.reject(new Error('odd'))],
    ['answers nothing', () => undefined],
    ['answers nothing later', () => Promise.resolve(null)],
    ['answers a text for issues', () => ({ issues: 'odd' })],
    [
      'answers issues that throw',
      () => ({
        get issues() {
          throw new Error('odd')
        },
      }),
    ],
    ['answers issues with odd paths, later', async () => ({ issues: [{ path: 7 }] })],
  ]
  test.each(oddities)('of a schema that %s says that the schema failed', async (_, validate) => {
    const topic = defineTopic({ name: 'orders', schema: schemaOf(validate as never) })
    expect(await checkBody(topic, { body: body('1') })).toEqual({
      error: mqError('INVALID_PARAMETER', "The schema of 'orders' failed"),
    })
  })

  test('takes an empty list of issues for a refusal, as the standard says', () => {
    const topic = defineTopic({ name: 'orders', schema: schemaOf(() => ({ issues: [] })) })
    expect(checkBody(topic, { body: body('1') })).toEqual({
      error: mqError('SCHEMA_MISMATCH', 'refused without a reason'),
    })
  })

  test('is what parse does, with messages from anywhere', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send([
      { topic: 'orders', body: '{"id":"o-1","amount":2}' },
      { topic: 'orders', body: 'text' },
    ])
    const [good, bad] = await mq.admin.browse('orders')
    expect(await orders.parse(good!)).toEqual({ id: 'o-1', amount: 2 })
    await expect(orders.parse(bad!)).rejects.toEqual(mqError('SCHEMA_MISMATCH', 'no JSON'))
  })
})

describe('Issues', () => {
  test('have paths as code would write them', () => {
    expect(formatPath(['items', 0, 'price'])).toBe('items[0].price')
    expect(formatPath([Symbol('odd'), 'a'])).toBe('Symbol(odd).a')
    expect(formatPath([])).toBe('body')
  })

  test('are cut at their borders when there are too many, and counted', () => {
    const issues = Array.from({ length: 100 }, (_, i) => ({ path: ['items', i], message: 'is wrong' }))
    const text = formatIssues(issues)
    expect(text.length).toBeLessThan(950)
    const shownCount = text.split('is wrong').length - 1
    expect(text).toMatch(new RegExp(`is wrong; and ${100 - shownCount} more$`))
  })

  test('are cut in the middle when one alone is too long', () => {
    expect(formatIssues([{ path: [], message: 'x'.repeat(5000) }])).toHaveLength(900)
  })
})

test('Batches of typed messages are split by the size of their JSON', () => {
  const topic = defineTopic({ name: 'rows', schema: z.object({ text: z.string() }) })
  const messages = Array.from({ length: 10 }, () => ({ topic, body: { text: 'x'.repeat(100) } }))
  const counts = [...splitIntoBatches(messages, { maxBytes: 500 })].map((batch) => batch.length)
  expect(counts).toEqual([3, 3, 3, 1])
})
