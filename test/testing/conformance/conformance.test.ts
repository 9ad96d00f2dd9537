import { strict as assert } from 'node:assert'
import { describe, expect, test } from 'vitest'
import { conformanceChapters } from '../../../src/testing/conformance/chapters.ts'
import { describeConformance, runConformance } from '../../../src/testing/conformance/conformance.ts'
import { embeddedEngine } from '../../../src/testing/conformance/embedded-engine.ts'
import type {
  ConformanceEngine,
  OpenConformanceEngine,
} from '../../../src/testing/conformance/engine-under-test.ts'
import { formatReport } from '../../../src/testing/conformance/report.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../../../src/testing/conformance/rule.ts'
import { refusal } from '../../model/refusal.ts'

const passing = rule('1', 'It passes', async () => undefined)
const failing = rule('1', 'It fails', async () => assert.fail('no'))
const unmet = rule('1', 'It needs time', { needs: ['virtualTime'] }, async () => assert.fail('not skipped'))

function chapterOf(...rules: ConformanceRule[]): ConformanceChapter {
  return { title: 'Chapter', rules }
}

/** An engine of which nothing can be done but calling it; tells how many are open. */
function plainEngine() {
  const open = new Set<ConformanceEngine>()
  const embedded = embeddedEngine()
  const openEngine: OpenConformanceEngine = async (settings) => {
    const opened = Object.assign(await embedded(settings), { advance: undefined, jump: undefined })
    const { close } = opened
    const plain = Object.assign(opened as unknown as ConformanceEngine, {
      close: async () => {
        open.delete(plain)
        await close()
      },
    })
    open.add(plain)
    return plain
  }
  return { openEngine, open }
}

const run = async (rules: ConformanceRule[], options = {}) => {
  const report = await runConformance(plainEngine().openEngine, {
    chapters: [chapterOf(...rules)],
    patienceMs: 5,
    ...options,
  })
  return report.chapters[0]!
}

describe('runConformance', () => {
  test('counts rules that pass, fail and are skipped, and goes on after a failure', async () => {
    expect(await run([failing, passing, unmet, passing])).toMatchObject({
      title: 'Chapter',
      passedCount: 2,
      failedCount: 1,
      skippedCount: 1,
      failures: [{ rule: failing, error: { message: 'no' } }],
    })
  })

  test('skips a rule that needs a part which the engine does not have', async () => {
    const needs = (need: 'clockJump' | 'durable') => rule('8', need, { needs: [need] }, async () => undefined)
    expect(await run([needs('clockJump'), needs('durable')])).toMatchObject({
      passedCount: 0,
      skippedCount: 2,
    })
  })

  test('fails a rule that does not end', async () => {
    const endless = rule('1', 'It hangs', () => new Promise(() => undefined))
    const { failures } = await run([endless], { ruleTimeoutMs: 5 })
    expect(failures).toMatchObject([{ error: { message: 'The rule did not end within 5 ms.' } }])
  })

  test('fails a rule for which something does not happen in time', async () => {
    const hopeful = rule('1', 'It hopes', async (world) => {
      const mq = await world.open()
      await mq.until('a wonder', () => false)
    })
    expect((await run([hopeful])).failures).toMatchObject([
      { error: { message: 'It did not happen: a wonder.' } },
    ])
  })

  test('closes what rules open, whether they pass or fail', async () => {
    const { openEngine, open } = plainEngine()
    const opens = (then: ConformanceRule) =>
      rule('1', then.title, async (world) => {
        await world.open()
        await world.openShop()
        await then.run(world)
      })
    const chapters = [chapterOf(opens(passing), opens(failing))]
    const report = await runConformance(openEngine, { chapters })
    expect(report.chapters[0]).toMatchObject({ passedCount: 1, failedCount: 1 })
    expect(open.size).toBe(0)
  })

  test('fails a rule whose engine cannot be closed', async () => {
    let openCount = 0
    const { openEngine } = plainEngine()
    const opened = async (settings: object): Promise<ConformanceEngine> => {
      const engine = await openEngine(settings)
      // The first is the one that only shows what is offered.
      return ++openCount === 1
        ? engine
        : Object.assign(engine, { close: () => Promise.reject(new Error('stuck')) })
    }
    const opens = rule('1', 'It opens', async (world) => void (await world.open()))
    const report = await runConformance(opened, { chapters: [chapterOf(opens)] })
    expect(report.chapters[0]?.failures).toMatchObject([{ error: { message: 'stuck' } }])
  })

  test('rejects when no engine can be opened', async () => {
    const broken = () => Promise.reject(new Error('no engine'))
    await expect(runConformance(broken, { chapters: [] })).rejects.toThrow('no engine')
  })
})

describe('describeConformance', () => {
  /** A framework that keeps what it is told. */
  function framework() {
    const told: string[] = []
    const bodies: (() => Promise<void>)[] = []
    const test = (title: string, body: () => Promise<void>): void => {
      told.push(`test ${title}`)
      bodies.push(body)
    }
    const skip = (title: string): void => void told.push(`skip ${title}`)
    const describe = (title: string, body: () => void): void => {
      told.push(`describe ${title}`)
      body()
    }
    return { told, bodies, describe, test, skip }
  }

  const differing = rule('2.1', 'It differs', { differs: true }, async () => undefined)
  const chapters = [chapterOf(differing, unmet, failing)]

  test('defines a test for every rule, with its section', async () => {
    const { told, describe, test, skip } = framework()
    await describeConformance({ describe, test: Object.assign(test, { skip }) }, plainEngine().openEngine, {
      chapters,
    })
    expect(told).toEqual([
      'describe Chapter',
      'test It differs (2.1, differs)',
      'skip It needs time (1)',
      'test It fails (1)',
    ])
  })

  test('leaves out what must be skipped where tests cannot be', async () => {
    const { told, describe, test } = framework()
    await describeConformance({ describe, test }, plainEngine().openEngine, { chapters })
    expect(told).toHaveLength(3)
  })

  test('fills its report while the tests run', async () => {
    const { bodies, describe, test } = framework()
    const report = await describeConformance({ describe, test }, plainEngine().openEngine, { chapters })
    expect(report.chapters[0]).toMatchObject({ passedCount: 0, failedCount: 0, skippedCount: 1 })
    await bodies[0]?.()
    await expect(bodies[1]?.()).rejects.toThrow('no')
    expect(report.chapters[0]).toMatchObject({ passedCount: 1, failedCount: 1, skippedCount: 1 })
  })
})

describe('A report in words', () => {
  test('lists chapters with their counts, and what failed', async () => {
    const chapters = [
      { title: 'One', rules: [passing, passing] },
      { title: 'Number two', rules: [passing, failing, unmet] },
    ]
    const report = await runConformance(plainEngine().openEngine, { chapters })
    expect(formatReport(report)).toBe(
      [
        'One           2 passed',
        'Number two    1 passed, 1 FAILED, 1 skipped',
        '  1 It fails: no',
        'All           3 passed, 1 FAILED, 1 skipped',
      ].join('\n'),
    )
  })
})

describe('The chapters', () => {
  const rules = conformanceChapters.flatMap(({ rules }) => rules)

  test('have titles of their own, and so have their rules', () => {
    const titles = [...conformanceChapters, ...rules].map(({ title }) => title)
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
  })

  test('say for every rule which section it comes from', () => {
    expect(rules.filter(({ section }) => !/^\d+(\.\d+)?$/.test(section))).toEqual([])
  })

  test('have rules that are sentences', () => {
    expect(rules.map(({ title }) => title).filter((title) => !/^[A-Z0-9].*[^.]$/.test(title))).toEqual([])
  })
})

describe('embeddedEngine', () => {
  test('needs a directory for the disk, and for nothing else', () => {
    expect(refusal(() => embeddedEngine({ store: 'disk' })).code).toBe('INVALID_PARAMETER')
    expect(refusal(() => embeddedEngine({ directory: () => 'here' })).code).toBe('INVALID_PARAMETER')
  })
})
