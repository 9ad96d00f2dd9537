/** The conformance suite over the real disk. */
import { diskStore } from './stores.ts'
import { defineSuite } from './suite.ts'

await defineSuite(diskStore())
