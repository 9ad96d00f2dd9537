import { describe, expect, test } from 'vitest'
import { read } from '../house/source.ts'
import { averaging, config, consistentHash, machineRooms, nearby, type Table, toMarkdown } from './vectors.ts'

const TABLES: Readonly<Record<string, Table>> = { averaging, machineRooms, nearby, config, consistentHash }

const tables = tablesIn(read('docs/allocation.md'))

function tablesIn(text: string): string[] {
  return (text.match(/^\|.*(?:\n\|.*)*/gm) ?? []).map((table) => table.trimEnd())
}

describe('docs/allocation.md', () => {
  test.each(Object.entries(TABLES))('shows in the table of %s what the code computes', (_, table) => {
    expect(tables).toContain(toMarkdown(table))
  })
})
