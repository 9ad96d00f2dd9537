import { expect, test, vi } from 'vitest'
import { Broker } from '../src/broker/broker.ts'
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
