/** Defines the conformance suite over a store, and prints its chapters with their counts at the end. */
import { afterAll, describe, test } from 'vitest'
import { type ConformanceOptions, describeConformance } from '../../src/testing/conformance/conformance.ts'
import { formatReport } from '../../src/testing/conformance/report.ts'
import type { ConformanceStore } from './stores.ts'

export async function defineSuite(
  { title, openEngine, cleanUp }: ConformanceStore,
  options: ConformanceOptions = {},
): Promise<void> {
  const framework = {
    describe: (chapter: string, body: () => void) => describe(`${chapter}, ${title}`, body),
    test,
  }
  const report = await describeConformance(framework, openEngine, options)
  afterAll(() => {
    cleanUp()
    console.log(`The embedded engine ${title}\n${formatReport(report)}`)
  })
}
