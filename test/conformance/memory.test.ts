/**
 * The conformance suite over the stores in memory: that of `storage: 'memory'`, and that of test instances. A few chapters
 * also in real time, to show that rules can do without a time that is moved.
 */
import { conformanceChapters } from '../../src/testing/conformance/chapters.ts'
import { memoryStore, realTimeStore, testStore } from './stores.ts'
import { defineSuite } from './suite.ts'

const IN_REAL_TIME = [
  'Sending',
  'Pulling',
  'Offsets of groups',
  'Pull consumers',
  'Simple consumers: what is received',
  'Requests and replies',
]

await defineSuite(memoryStore())
await defineSuite(testStore())
await defineSuite(realTimeStore(), {
  chapters: conformanceChapters.filter(({ title }) => IN_REAL_TIME.includes(title)),
})
