/** The embedded engine as the conformance suite takes it, over each of its stores, in virtual time. */
import type { Engine } from '../../model/engine.ts'
import { invalidParameter } from '../../model/errors.ts'
import { openEngine } from '../../open.ts'
import { type CompleteOpenOptions, parseOpenOptions } from '../../open-options.ts'
import { DiskMedium } from '../../store/disk-medium.ts'
import type { Medium } from '../../store/medium.ts'
import type { ClockScope } from '../clock-scope.ts'
import { heldMedium } from '../disk/held-medium.ts'
import { MemoryDisk } from '../disk/memory-disk.ts'
import { Life } from '../life.ts'
import { SeededRandom } from '../seeded-random.ts'
import { VirtualClock } from '../virtual-clock.ts'
import type { ConformanceEngine, ConformanceSettings, OpenConformanceEngine } from './engine-under-test.ts'

/** Where the embedded engine of a conformance run keeps its messages, and what stands before it. */
export interface EmbeddedEngineOptions {
  /**
   * `'memory'`, the default: as `storage: 'memory'`. `'memory-disk'`: journal and databases of a disk, in memory, as test
   * instances have them; it can be killed. `'disk'`: the real disk.
   */
  readonly store?: 'memory' | 'memory-disk' | 'disk' | undefined
  /** For `'disk'`: names a directory that does not exist yet, another one at each call. */
  readonly directory?: (() => string) | undefined
  /** Puts something before the engine, such as a fault that the suite is to find. */
  readonly wrap?: ((engine: Engine) => Engine) | undefined
}

const START_TIMESTAMP = Date.UTC(2027, 0, 1)
const DAY_MS = 86_400_000
const RUNAWAY_LIMIT = 100_000

/** What stays the same when the engine is opened again. */
interface EmbeddedSession {
  readonly clock: VirtualClock
  readonly options: CompleteOpenOptions
  readonly wrap: (engine: Engine) => Engine
}

/** How to open the embedded engine for {@link runConformance}: an example for engines of your own. */
export function embeddedEngine(options: EmbeddedEngineOptions = {}): OpenConformanceEngine {
  const { store = 'memory', directory, wrap = (engine) => engine } = options
  if ((store === 'disk') !== (directory !== undefined))
    throw invalidParameter("embeddedEngine: store 'disk' needs a directory, and no other store does.")
  return (settings) => {
    const clock = new VirtualClock({
      startTimestamp: START_TIMESTAMP,
      patienceMs: 0,
      runawayLimit: RUNAWAY_LIMIT,
    })
    const session = { clock, options: optionsOf(settings, directory?.()), wrap }
    return openLife(session, store === 'memory-disk' ? new MemoryDisk(clock.scope()) : undefined)
  }
}

/** What only keeps an idle engine busy happens rarely, so that hours pass quickly. */
function optionsOf(settings: ConformanceSettings, path: string | undefined): CompleteOpenOptions {
  return parseOpenOptions({
    lockLeaseMs: DAY_MS,
    ...settings,
    retention: { intervalMs: DAY_MS, ...settings.retention },
    ...(path === undefined ? { storage: 'memory' } : { path }),
    keepAlive: false,
  })
}

async function openLife(session: EmbeddedSession, disk: MemoryDisk | undefined): Promise<ConformanceEngine> {
  const { clock, options, wrap } = session
  const scope = clock.scope()
  const life = new Life(clock)
  const medium = disk ?? (await realDisk(session, scope))
  const store = { ...options.store, clock: scope, random: new SeededRandom(1) }
  const storage = medium === undefined ? store : ({ ...store, storage: 'disk', medium } as const)
  const opened = await openEngine({ ...options, store: storage }, (engine) => wrap(life.guard(engine)))
  // Not a copy: the engine sends its events to whatever stands in this very object.
  return Object.assign(opened, {
    advance: (durationMs: number) => clock.advance(durationMs),
    jump: (durationMs: number) => clock.jump(durationMs),
    ...(medium !== undefined && { reopen: () => openLife(session, disk) }),
    ...(disk !== undefined && {
      crash: (how: 'kill' | 'power') => {
        opened.onEvent = () => undefined
        life.end()
        scope.end()
        const left = disk.copy(how)
        disk.stop()
        return openLife(session, left)
      },
    }),
  })
}

async function realDisk({ clock, options }: EmbeddedSession, scope: ClockScope): Promise<Medium | undefined> {
  const { path } = options.store
  if (path === undefined) return undefined
  return heldMedium(await DiskMedium.at(path, scope, true), (work) => clock.hold(work, Infinity))
}
