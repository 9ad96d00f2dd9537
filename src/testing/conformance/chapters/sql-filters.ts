/** SQL filters: what each comparison says of a message, what is refused and where, and that every consumer goes by them. */
import { strict as assert } from 'node:assert'
import { sql } from '../../../model/sql/sql-filter.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, eventsOf, failing, pull, queueOf, refused, send, subscribe, textsOf } from '../kit.ts'
import { assigned, LONG_MS, lite, pollTexts, puller, receiveTexts, simple } from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import { type SqlTruth, type SqlVector, sqlVectors } from '../sql-vectors.ts'
import type { ConformanceWorld } from '../world.ts'

/** A shop with a group that may pull, and a message for each of these lists of properties. */
async function openWith(
  world: ConformanceWorld,
  messages: readonly Record<string, string>[],
): Promise<EngineMQ> {
  const mq = await world.openShop()
  await mq.admin.createGroup({ group: 'billing' })
  for (const properties of messages) await send(mq, JSON.stringify(properties), { properties })
  return mq
}

function parseProperties(text: string): Record<string, string> {
  if (text === '-') return {}
  return Object.fromEntries(text.split(',').map((pair) => pair.split('=') as [string, string]))
}

async function passes(mq: EngineMQ, expression: string, offset = 0): Promise<boolean> {
  const { messages } = await pull(mq, { filter: sql(expression), offset, maxCount: 1 })
  return messages[0]?.queueOffset === offset
}

/** What an expression says of a message: of its opposite and of its absence another one tells. */
async function truthOf(mq: EngineMQ, expression: string, offset: number): Promise<SqlTruth> {
  if (await passes(mq, expression, offset)) return 'T'
  if (await passes(mq, `NOT (${expression}\n)`, offset)) return 'F'
  return (await passes(mq, `(${expression}\n) IS NULL`, offset)) ? 'U' : 'RE'
}

function vectorRule([title, vectors]: readonly [string, readonly SqlVector[]]): ConformanceRule {
  return rule('5.4', title, async (world) => {
    const mq = await openWith(
      world,
      vectors.map(([, properties]) => parseProperties(properties)),
    )
    const found: SqlVector[] = []
    for (const [offset, [expression, properties]] of vectors.entries())
      found.push([expression, properties, await truthOf(mq, expression, offset)])
    assert.deepEqual(found, vectors)
  })
}

/** Refused, and where. */
const WRONG: readonly (readonly [expression: string, position: number])[] = [
  ['', 0],
  ['   ', 3],
  ["a > 'b'", 4],
  ['TRUE > 1', 0],
  ['a = null', 4],
  ["a != 'x'", 2],
  ['a in (1,2)', 6],
  ["'a' in ('a')", 4],
  ['a between 5 and 1', 10],
  ['a between 1 and NULL', 16],
  ["a between 'x' and 'y'", 10],
  ['a contains b', 11],
  ["'a'", 0],
  ['5', 0],
  ['a > 0.0', 4],
  ['a > 9223372036854775808', 4],
  ["a.b = 'x'", 1],
  ["a = 'x", 4],
  ['a = "x"', 4],
  ["a = 'x' and", 11],
  ["(a = 'x'", 8],
  ['a is not', 8],
]

/** Refused although RocketMQ takes it: it ignores the rest, or lets no message pass. */
const REFUSED_HERE: readonly (readonly [expression: string, position: number])[] = [
  ['a = 1 b = 2', 6],
  ["a like 'x%'", 2],
  ['a + 1 > 2', 2],
  ["a-b = 'x'", 1],
  ['a > 007', 4],
  ["a = 'x')", 7],
  ["NOT a = 'x'", 4],
  ['TRUE = a', 0],
]

async function refusedAt(expression: string, position: number): Promise<void> {
  const { message } = await refused('SUBSCRIPTION_PARSE_FAILED', () => sql(expression))
  assert.ok(message.includes(`at position ${position}:`), `Not at ${position}, but: ${message}`)
}

const textOf = (count: number): string => `a = '${'x'.repeat(count - "a = ''".length)}'`
const nested = (count: number): string => `${'('.repeat(count)}a is not null${')'.repeat(count)}`
const negated = (count: number): string => `${'not '.repeat(count)}(a is null)`
const listOf = (count: number): string => `a not in (${Array.from({ length: count }, (_, i) => `'${i}'`)})`
/** So many comparisons, an OR between each two, and a NOT. */
const joined = (count: number): string => `not (${Array(count).fill("a contains 'y'").join(' or ')})`

/** The bounds of an expression: what is allowed, and a little more. Each lets pass a message whose `a` is a long text. */
const BOUNDS: readonly (readonly [what: string, allowed: string, refused: string])[] = [
  ['4096 characters', textOf(4096), textOf(4097)],
  ['64 levels of parentheses', nested(64), nested(65)],
  ['63 NOTs around each other', negated(63), negated(65)],
  ['256 texts in a list', listOf(256), listOf(257)],
  ['256 comparisons and operators', joined(128), joined(129)],
]

const AMOUNTS = ['5', '50', '500', 'many'] as const

/** Sends a message for each amount and one without, the amount as its body. */
async function sendAmounts(mq: EngineMQ): Promise<void> {
  for (const amount of AMOUNTS) await send(mq, amount, { properties: { amount } })
  await send(mq, 'none')
}

const subscriptions = { orders: sql('amount > 10') }
const ALL = AMOUNTS.length + 1

export const sqlFilters: ConformanceChapter = {
  title: 'SQL filters',
  rules: [
    ...sqlVectors.map(vectorRule),
    rule('5.4', 'The tag is the property TAGS, the keys are KEYS, and the id is UNIQ_KEY', async (world) => {
      const mq = await openWith(world, [])
      const [receipt] = await send(mq, 'x', { tag: 'TagA', keys: ['o-1', 'o-2'] })
      await send(mq, 'plain')
      const holds = [
        "TAGS = 'TagA'",
        "KEYS = 'o-1 o-2'",
        "KEYS CONTAINS 'o-2'",
        `UNIQ_KEY = '${receipt?.messageId}'`,
      ]
      for (const expression of holds) assert.equal(await passes(mq, expression), true, expression)
      for (const expression of ['TAGS IS NULL', 'KEYS IS NULL', 'UNIQ_KEY IS NOT NULL'])
        assert.equal(await passes(mq, expression, 1), true, expression)
    }),
    rule('5.4', 'A wrong expression is refused with its place', async () => {
      for (const [expression, position] of WRONG) await refusedAt(expression, position)
    }),
    rule(
      '5.4',
      'Words behind the end, and comparisons on which every evaluation fails, are refused',
      { differs: true },
      async () => {
        for (const [expression, position] of REFUSED_HERE) await refusedAt(expression, position)
      },
    ),
    rule('5.4', 'An expression that is no text is refused', async () => {
      for (const expression of [undefined, null, 5, {}, ['a']])
        await refused('SUBSCRIPTION_PARSE_FAILED', () => sql(expression as unknown as string))
    }),
    ...BOUNDS.map(([what, allowed, tooMuch]) =>
      rule('5.4', `An expression may have ${what}, and no more`, { differs: true }, async (world) => {
        const mq = await openWith(world, [{ a: 'x'.repeat(4096 - "a = ''".length) }])
        assert.equal(await passes(mq, allowed), true)
        await refused('SUBSCRIPTION_PARSE_FAILED', () => sql(tooMuch))
      }),
    ),
    rule('5.4', 'A tag expression that looks like SQL is refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      for (const orders of ['amount > 10', "region = 'eu'", 'a IS NULL', "a IN ('x')"])
        await refused('SUBSCRIPTION_PARSE_FAILED', () => subscribe(mq, { subscriptions: { orders } }))
    }),
    rule('5.4', 'A push consumer gets what passes, and the rest counts as consumed', async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, { subscriptions })
      await sendAmounts(mq)
      await mq.within('10s', 'the group is behind all', async () => (await committed(mq)) === ALL)
      assert.deepEqual(texts(), ['50', '500'])
      assert.equal((await mq.admin.consumerProgress('billing')).lag, 0)
    }),
    rule('5.4', 'A lite pull consumer gets what passes, whether it subscribes or assigns', async (world) => {
      const mq = await world.openShop()
      const queue = await queueOf(mq)
      const subExpressionForAssign = subscriptions
      const consumers = [
        await lite(mq, { subscriptions }),
        await assigned(mq, [queue], { group: 'audit', subExpressionForAssign }),
      ]
      await sendAmounts(mq)
      for (const consumer of consumers) {
        assert.deepEqual(await pollTexts(mq, consumer, 2), ['50', '500'])
        await mq.within('10s', 'it is behind all', async () => (await consumer.position(queue)) === ALL)
      }
    }),
    rule('5.4', 'A pull consumer gets what passes the expression of this one pull', async (world) => {
      const mq = await world.openShop()
      await sendAmounts(mq)
      const consumer = await puller(mq)
      const queue = await queueOf(mq)
      const outcomes: unknown[] = []
      for (const expression of ['amount > 10', 'amount = 5', 'amount > 1000', 'amount IS NULL']) {
        const { status, messages, nextBeginOffset } = await consumer.pull(queue, sql(expression), 0, 32)
        outcomes.push([status, textsOf(messages), nextBeginOffset])
      }
      assert.deepEqual(outcomes, [
        ['FOUND', ['50', '500'], ALL],
        ['FOUND', ['5'], ALL],
        ['NO_MATCHED_MSG', [], ALL],
        ['FOUND', ['none'], ALL],
      ])
    }),
    rule(
      '5.4',
      'A simple consumer receives what passes, and the rest counts as consumed',
      { needs: ['pop'] },
      async (world) => {
        const mq = await world.openShop()
        const consumer = await simple(mq, { subscriptions })
        await sendAmounts(mq)
        assert.deepEqual(await receiveTexts(consumer), ['50', '500'])
        assert.deepEqual(await receiveTexts(consumer), [])
        assert.equal((await mq.admin.consumerProgress('billing')).lag, 0)
      },
    ),
    rule('5.4', 'A pull that waits is answered by what passes its expression', async (world) => {
      const mq = await openWith(world, [])
      const pulling = pull(mq, { filter: sql('amount > 10'), suspendMs: LONG_MS })
      await mq.rest()
      await send(mq, '50', { properties: { amount: '50' } })
      const { status, messages } = await pulling
      assert.deepEqual([status, textsOf(messages)], ['FOUND', ['50']])
    }),
    rule(
      '5.4',
      'Retries are delivered whatever the expression is by then',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const first = await subscribe(mq, { subscriptions, listener: failing() })
        await sendAmounts(mq)
        await mq.rest()
        await first.consumer.close()
        const { texts } = await subscribe(mq, { subscriptions: { orders: sql("TAGS = 'none'") } })
        await mq.advance('10s')
        assert.deepEqual(texts().sort(), ['50', '500'])
      },
    ),
    rule('5.4', 'Every group and every topic has its own expression, of either kind', async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'returns', queues: 1 }] })
      const both = { orders: sql('amount = 5'), returns: 'late' }
      const a = await subscribe(mq, { group: 'a', subscriptions: both })
      const b = await subscribe(mq, { group: 'b', subscriptions: { orders: sql('amount IS NULL') } })
      await sendAmounts(mq)
      for (const tag of ['late', 'soon']) await send(mq, tag, { topic: 'returns', tag })
      await mq.within('10s', 'both have theirs', () => a.texts().length === 2 && b.texts().length === 1)
      await mq.rest()
      assert.deepEqual([a.texts().sort(), b.texts()], [['5', 'late'], ['none']])
    }),
    rule('5.5', 'Members whose expressions differ are warned of', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const warnings = eventsOf(mq, 'warning')
      await subscribe(mq, { subscriptions })
      await subscribe(mq, { subscriptions: { orders: sql('amount > 10') } })
      assert.deepEqual(warnings, [])
      await subscribe(mq, { subscriptions: { orders: sql('amount > 11') } })
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['SUBSCRIPTION_MISMATCH'],
      )
    }),
    rule('5.4', 'An expression lets pass the same after a restart', { needs: ['reopen'] }, async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing' })
      await sendAmounts(mq)
      const reopened = await world.reopen(mq)
      const { messages } = await pull(reopened, { filter: sql("amount > 10 OR amount = 'many'") })
      assert.deepEqual(textsOf(messages), ['50', '500'])
    }),
  ],
}
