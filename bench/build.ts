/** Compiles sources and benchmark into a folder that git ignores, so that plain JavaScript is measured. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** The compiled repository: `src` and `bench` lie in it as they do in the sources. */
export const BUILD = join(ROOT, '.cache/bench/build')

const CONFIG = {
  extends: '../../../tsconfig.json',
  compilerOptions: { noEmit: false, noCheck: true, rootDir: '../../..', outDir: '.' },
  include: ['../../../src', '../../../bench'],
}

/** Compiles; types are the business of `npm run check`. */
export function build(): void {
  rmSync(BUILD, { recursive: true, force: true })
  mkdirSync(BUILD, { recursive: true })
  const config = join(BUILD, 'tsconfig.json')
  writeFileSync(config, JSON.stringify(CONFIG))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', config], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the sources could not be compiled')
}
