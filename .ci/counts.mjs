// Prints the true counts of a Vitest JSON report as one line and ends with 1 if anything failed.
import { readFileSync } from 'node:fs'

let report
try {
  report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
} catch {
  console.error('FAILED: the tests did not run to their end, so there is nothing to count')
  console.log('0 passed, 0 failed')
  process.exit(1)
}

// A file that cannot be loaded has no tests to count, so it counts as one failure.
const broken = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
)
for (const file of broken) console.error(`FAILED: ${file.name}: ${file.message}`)

const failed = report.numFailedTests + broken.length
const skipped = report.numPendingTests + report.numTodoTests
console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed > 0 || !report.success ? 1 : 0)
