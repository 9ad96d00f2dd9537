/** The embedded engine over each of its stores, for the conformance suite. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEngine } from '../../src/open.ts'
import { parseOpenOptions } from '../../src/open-options.ts'
import { embeddedEngine } from '../../src/testing/conformance/embedded-engine.ts'
import type { OpenConformanceEngine } from '../../src/testing/conformance/engine-under-test.ts'
import { layeredEngine } from '../../src/testing/layer.ts'
import { TestSession } from '../../src/testing/test-session.ts'

export interface ConformanceStore {
  readonly title: string
  readonly openEngine: OpenConformanceEngine
  /** Removes what was stored. */
  cleanUp(): void
}

/** A store as of `storage: 'memory'`. */
export function memoryStore(): ConformanceStore {
  return { title: 'in memory', openEngine: embeddedEngine(), cleanUp: () => undefined }
}

/** The same in real time, as engines have it whose time cannot be moved. */
export function realTimeStore(): ConformanceStore {
  const openEngineNow: OpenConformanceEngine = (settings) =>
    openEngine(parseOpenOptions({ ...settings, storage: 'memory', keepAlive: false }))
  return { title: 'in real time', openEngine: openEngineNow, cleanUp: () => undefined }
}

/** The disk in memory of a test instance, seen through the layers of one. */
export function testStore(): ConformanceStore {
  const openTestEngine = embeddedEngine({
    store: 'memory-disk',
    wrap: (engine) => {
      const { observers, disturbers } = TestSession.of({})
      return layeredEngine(engine, [...observers, ...disturbers])
    },
  })
  return { title: 'on the disk of a test instance', openEngine: openTestEngine, cleanUp: () => undefined }
}

/** The real disk. */
export function diskStore(): ConformanceStore {
  const root = mkdtempSync(join(tmpdir(), 'pocketmq-conformance-'))
  let count = 0
  const openDiskEngine = embeddedEngine({ store: 'disk', directory: () => join(root, String(++count)) })
  return {
    title: 'on disk',
    openEngine: openDiskEngine,
    cleanUp: () => rmSync(root, { recursive: true, force: true }),
  }
}
