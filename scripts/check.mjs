// Everything that has to hold before a change is done, as named steps. All steps run, even after a failure.
//   npm run check                 every step
//   npm run check -- types house  only these
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = (name) => [join(root, 'node_modules', name)]

/** Name, what it proves, and the script that proves it. */
const STEPS = [
  [
    'format',
    'formatting and lint',
    [...bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'],
  ],
  ['types', 'types of src, test, bench, examples', [...bin('typescript/bin/tsc'), '-p', 'tsconfig.json']],
  ['house', 'the rules of the house', [...bin('vitest/vitest.mjs'), 'run', 'test/house/']],
  ['unused', 'no unused file, export or dependency', bin('knip/bin/knip.js')],
  ['build', 'dist is built', ['scripts/build.mjs']],
  ['package', 'the packed package can be installed and used', ['scripts/package-check.mjs']],
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !STEPS.some(([known]) => known === name))
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(', ')}. Steps: ${STEPS.map(([name]) => name).join(', ')}.`)
  process.exit(2)
}

const failed = []
const lines = []
for (const [name, purpose, args] of STEPS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  if (name === 'package' && failed.includes('build')) {
    failed.push(name)
    lines.push(`  FAILED  ${name.padEnd(8)} ${purpose} (not run: there is no build)`)
    continue
  }
  console.log(`\n=== check: ${name} (${purpose})`)
  const start = performance.now()
  const { status, error } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (error) console.error(error)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  if (status !== 0) failed.push(name)
  lines.push(`  ${status === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${purpose} (${seconds} s)`)
}

console.log(`\n=== check: summary\n${lines.join('\n')}`)
if (failed.length > 0) {
  console.error(`\nThe check failed: ${failed.join(', ')}.`)
  process.exit(1)
}
console.log('\nThe check passed.')
