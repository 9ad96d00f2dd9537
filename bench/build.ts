/** Compiles sources and benchmark into a folder that git ignores, so that plain JavaScript is measured. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** What the benchmark leaves behind: builds while it runs, and profiles. */
export const CACHE = join(ROOT, '.cache/bench')

const CONFIG = {
  extends: '../../../tsconfig.json',
  compilerOptions: { noEmit: false, noCheck: true, rootDir: '../../..', outDir: '.' },
  include: ['../../../src', '../../../bench'],
}

/**
 * Compiles into a new folder, so that two runs do not disturb each other; `src` and `bench` lie in it as they do in the
 * repository. Types are the business of `npm run check`.
 */
export function build(): string {
  mkdirSync(CACHE, { recursive: true })
  const folder = mkdtempSync(join(CACHE, 'build-'))
  const config = join(folder, 'tsconfig.json')
  writeFileSync(config, JSON.stringify(CONFIG))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', config], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the sources could not be compiled')
  return folder
}
