import { expect, test } from 'vitest'
import { killShop } from './outbox-kills.ts'

const KILLS = 6

test.each(['ASYNC_FLUSH', 'SYNC_FLUSH'] as const)(
  `${KILLS} kills leave no order without message, no message without order, and no effect undone or done twice, in %s`,
  async (mode) => {
    const seed = Number(process.env.CRASH_SEED ?? 20_261_123)
    const report = await killShop(KILLS, seed, mode)
    expect(report, `seed ${seed}`).toMatchObject({ wrongMessages: [], wrongEffects: [], rowsAtEnd: 0 })
    expect(report.orderCount).toBeGreaterThan(KILLS)
    expect(report.recalledCount).toBeGreaterThan(0)
    expect(report.outboxRows).toBeGreaterThan(0)
    expect(report.inboxRows).toBeGreaterThan(0)
  },
  120_000,
)
