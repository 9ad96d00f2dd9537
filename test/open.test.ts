import { expect, test, vi } from 'vitest'
import { Broker } from '../src/broker/broker.ts'
import type { WarningEvent } from '../src/model/events.ts'
import { realTime } from '../src/model/system-clock.ts'
import { openEngine } from '../src/open.ts'
import { parseOpenOptions } from '../src/open-options.ts'

test('An engine that fails to close does not keep the store from closing', async () => {
  const opened = await openEngine(parseOpenOptions({ storage: 'memory' }))
  const close = vi.spyOn(Broker.prototype, 'close').mockRejectedValueOnce(new Error('stuck'))
  await expect(opened.close()).rejects.toThrow('stuck')
  expect(close).toHaveBeenCalledTimes(1)
  expect(opened.state()).toBe('closed')
  close.mockRestore()
})

test.each([
  [60_000, 60_001, ['RETENTION_TOO_SHORT']],
  [60_000, 60_000, []],
  [60_000, 0, []],
])(
  'With messages kept for %i ms and ids to be found for %i ms opening warns of %j',
  async (maxAgeMs, deduplicationWindowMs, codes) => {
    const options = { storage: 'memory', retention: { maxAgeMs }, deduplicationWindowMs } as const
    const opened = await openEngine(parseOpenOptions(options))
    const warned: string[] = []
    opened.onEvent = (name, event) => void (name === 'warning' && warned.push((event as WarningEvent).code))
    await realTime.turn()
    expect(warned).toEqual(codes)
    await opened.close()
  },
)
