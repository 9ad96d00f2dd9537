/** The tables of the guide to producers name what the source has, no more and no less, with its defaults. */
import { describe, expect, test } from 'vitest'
import { parseProducerOptions } from '../../src/producer/producer-options.ts'
import { fieldsOf, publicMembers, rowsUnder, wrongDefaults } from './doc-tables.ts'
import { read } from './source.ts'

const DOC = 'docs/producing.md'
const text = read(DOC)

/** What calls take and tell; the guide names each field somewhere. */
const FIELDS: readonly (readonly [path: string, name: string])[] = [
  ['src/producer/producer-host.ts', 'ProducerStats'],
  ['src/producer/send-hooks.ts', 'SendHook'],
  ['src/producer/send-hooks.ts', 'SendHookContext'],
  ['src/producer/send-hooks.ts', 'SendHookOutcome'],
  ['src/admin/verify-topic.ts', 'VerifyTopicOptions'],
  ['src/admin/verify-topic.ts', 'TopicVerification'],
]

/** Says itself what it is. */
const PLAIN = new Set(['topic', 'group', 'clientId'])

const unique = (names: readonly string[]): string[] => [...new Set(names)].sort()
const names = (heading: string): string[] => rowsUnder(text, heading).map(({ name }) => name)

describe(`The guide in ${DOC}`, () => {
  test('lists every option of a producer, once, and no other', () => {
    const fields = fieldsOf('src/producer/producer-options.ts', 'ProducerOptions')
    expect(names('Every option').sort()).toEqual(unique(fields))
  })

  test('gives the defaults of a producer', () => {
    const rows = rowsUnder(text, 'Every option')
    expect(wrongDefaults(rows, 'default', parseProducerOptions({ group: 'g' }))).toEqual([])
    expect(rows.filter(({ cells }) => !/^(must|none|`.+`)$/.test(cells.default ?? ''))).toEqual([])
  })

  test('lists every option of a send, once, and no other', () => {
    const path = 'src/producer/send-options.ts'
    const fields = [...fieldsOf(path, 'SendOptions'), ...fieldsOf(path, 'OutboxSendOptions')]
    expect(names('Every option of a send').sort()).toEqual(unique(fields))
  })

  test('lists every method of a producer, once, and no other', () => {
    expect(names('Every method').sort()).toEqual(unique(publicMembers('src/producer/producer.ts')))
  })

  test.each(FIELDS)('names every field of %s %s', (path, name) => {
    const named = fieldsOf(path, name).filter((field) => !PLAIN.has(field))
    expect(named.filter((field) => !new RegExp(`\\b${field}\\b`).test(text))).toEqual([])
  })
})
