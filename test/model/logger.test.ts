import { describe, expect, test, vi } from 'vitest'
import { guardLogger, type Logger } from '../../src/model/logger.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

function loggerOf(log: (...told: unknown[]) => unknown): Logger {
  return { debug: log, info: log, warn: log, error: log }
}

describe.each(LEVELS)('A guarded logger asked for %s', (level) => {
  test('says it as it was told, and as a method of the logger', () => {
    const log = vi.fn()
    const logger = loggerOf(log)
    guardLogger(logger)[level]('no room')
    guardLogger(logger)[level]('no room', { free: 0 })
    expect(log.mock.calls).toEqual([['no room'], ['no room', { free: 0 }]])
    expect(log.mock.contexts).toEqual([logger, logger])
  })

  test('bears a logger that throws, or rejects', async () => {
    const logger = loggerOf(() => {
      throw new Error('no disk')
    })
    expect(() => guardLogger(logger)[level]('no room')).not.toThrow()
    expect(() =>
      guardLogger(loggerOf(() => Promise.reject(new Error('no disk'))))[level]('no room'),
    ).not.toThrow()
  })
})
