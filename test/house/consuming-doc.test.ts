/** The tables of the guide to consumers name what the source has, no more and no less, with its defaults. */
import { describe, expect, test } from 'vitest'
import { parseLitePullConsumerOptions } from '../../src/consumer/lite-pull-consumer-options.ts'
import { parsePullConsumerOptions } from '../../src/consumer/pull-consumer-options.ts'
import { parsePushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import { parseSimpleConsumerOptions } from '../../src/consumer/simple-consumer-options.ts'
import { fieldsOf, publicMembers, rowsUnder, wrongDefaults } from './doc-tables.ts'
import { read } from './source.ts'

const DOC = 'docs/consuming.md'

interface Kind {
  /** The head of its columns. */
  readonly kind: string
  readonly consumer: string
  readonly options: string
  /** Interfaces whose fields are its options. */
  readonly interfaces: readonly string[]
  /** What it has when it is told no more than it must be. */
  readonly defaults: object
}

const subscriptions = { orders: '*' }

const KINDS: readonly Kind[] = [
  {
    kind: 'push',
    consumer: 'src/consumer/push-consumer.ts',
    options: 'src/consumer/push-consumer-options.ts',
    interfaces: ['CommonOptions', 'SingleListenerOptions', 'BatchListenerOptions', 'Subscribing', 'Typing'],
    defaults: parsePushConsumerOptions({ group: 'g', subscriptions, listener: () => undefined }),
  },
  {
    kind: 'lite pull',
    consumer: 'src/consumer/lite-pull-consumer.ts',
    options: 'src/consumer/lite-pull-consumer-options.ts',
    interfaces: ['LitePullConsumerOptions', 'Typing'],
    defaults: parseLitePullConsumerOptions({ group: 'g' }),
  },
  {
    kind: 'pull',
    consumer: 'src/consumer/pull-consumer.ts',
    options: 'src/consumer/pull-consumer-options.ts',
    interfaces: ['PullConsumerOptions', 'Typing'],
    defaults: parsePullConsumerOptions({ group: 'g' }),
  },
  {
    kind: 'simple',
    consumer: 'src/consumer/simple-consumer.ts',
    options: 'src/consumer/simple-consumer-options.ts',
    interfaces: ['SimpleConsumerSettings', 'Subscribing', 'Typing'],
    defaults: parseSimpleConsumerOptions({ group: 'g', subscriptions }),
  },
]

/** Options that several kinds have, in one place. */
const SHARED_OPTIONS = 'src/consumer/consumer-options.ts'
const SHARED: ReadonlySet<string> = new Set(['Subscribing', 'Typing'])

/** What calls take and tell; the guide names each field somewhere. */
const FIELDS: readonly (readonly [path: string, name: string])[] = [
  ['src/consumer/poll-options.ts', 'PollOptions'],
  ['src/consumer/poll-options.ts', 'MessagesOptions'],
  ['src/consumer/pull-consumer.ts', 'PullOptions'],
  ['src/consumer/pull-consumer.ts', 'SendMessageBackOptions'],
  ['src/consumer/simple-consumer-options.ts', 'ReceiveOptions'],
  ['src/consumer/consume-context.ts', 'ConsumeContext'],
  ['src/consumer/consume-counts.ts', 'ConsumeCounts'],
  ['src/consumer/push-consumer.ts', 'PushConsumerStats'],
  ['src/consumer/push-consumer.ts', 'CloseReport'],
  ['src/consumer/rate-limiter.ts', 'RateLimit'],
  ['src/consumer/consume-hooks.ts', 'ConsumeHook'],
  ['src/admin/admin-arguments.ts', 'ResetOffsetOptions'],
  ['src/admin/admin-arguments.ts', 'CloneOffsetOptions'],
  ['src/admin/admin-arguments.ts', 'SkipMessagesOptions'],
  ['src/admin/admin-arguments.ts', 'GroupSettings'],
]

/** Counted by the loops alone. */
const INTERNAL = new Set(['countPull', 'snapshot'])

const text = read(DOC)

describe(`The guide in ${DOC}`, () => {
  const options = rowsUnder(text, 'Every option')
  const methods = rowsUnder(text, 'Every method')

  test.each(KINDS)(
    'lists every option of $kind consumers, once, and no other',
    ({ kind, interfaces, ...paths }) => {
      const listed = options.filter(({ cells }) => cells[kind] !== '-').map(({ name }) => name)
      const fields = interfaces.flatMap((name) =>
        fieldsOf(SHARED.has(name) ? SHARED_OPTIONS : paths.options, name),
      )
      expect(listed.sort()).toEqual([...new Set(fields)].sort())
    },
  )

  test.each(KINDS)('gives the defaults of $kind consumers', ({ kind, defaults }) => {
    expect(wrongDefaults(options, kind, defaults)).toEqual([])
  })

  test.each(KINDS)('lists every method of $kind consumers, once, and no other', ({ kind, consumer }) => {
    const listed = methods.filter(({ cells }) => cells[kind] === 'yes').map(({ name }) => name)
    expect(listed.sort()).toEqual([...new Set(publicMembers(consumer))].sort())
  })

  test('says in every cell whether the kind has it', () => {
    const cells = methods.flatMap((row) => KINDS.map(({ kind }) => row.cells[kind]))
    expect([...new Set(cells)].sort()).toEqual(['-', 'yes'])
    const marks = options.flatMap((row) => KINDS.map(({ kind }) => row.cells[kind] ?? ''))
    expect(marks.filter((mark) => !/^(must|none|-|`.+`)$/.test(mark))).toEqual([])
  })

  test.each(FIELDS)('names every field of %s %s', (path, name) => {
    const named = fieldsOf(path, name).filter((field) => !INTERNAL.has(field))
    expect(named.filter((field) => !new RegExp(`\\b${field}\\b`).test(text))).toEqual([])
  })
})
