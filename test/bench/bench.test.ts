import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Figure } from '../../bench/scenario.ts'
import { ROOT } from '../house/source.ts'

const LONGEST_MS = 120_000

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'pocketmq-bench-test-'))
})

afterAll(() => {
  rmSync(directory, { recursive: true })
})

describe('The benchmark', () => {
  test(
    'runs every scenario with small inputs and writes its figures',
    async () => {
      const json = join(directory, 'figures.json')
      const args = ['--import', 'tsx', 'bench/run.ts', '--quick', '--json', json]
      const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
      const [code] = await once(child, 'exit')
      expect(code).toBe(0)

      const figures = JSON.parse(readFileSync(json, 'utf8')) as Figure[]
      expect(figures.length).toBeGreaterThan(10)
      for (const figure of figures) {
        expect(Object.keys(figure)).toEqual(['name', 'value', 'unit', 'baseline', 'ratio', 'goal', 'met'])
        expect(figure.value, figure.name).toBeGreaterThanOrEqual(0)
      }
    },
    LONGEST_MS,
  )
})
