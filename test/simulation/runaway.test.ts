/** A world in which things keep happening without time moving, as under some planted bugs, comes to its end. */
import { expect, test } from 'vitest'
import { profileOf } from './model/profile.ts'
import { RunEnded, World } from './world/world.ts'

test('A run ends when things keep happening without time moving', async () => {
  const world = new World(profileOf(1))
  try {
    await world.open()
    for (let i = 0; i <= 20_000; i++) world.tell({ type: 'fault', what: 'again' })
    expect(world.life.isOver).toBe(true)
    expect(world.history.violations).toMatchObject([{ checker: 'liveness' }])
    await expect(world.restartIfStopped()).rejects.toThrow(RunEnded)
  } finally {
    await world.abandon()
  }
})
