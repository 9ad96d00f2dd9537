/** Examines one directory after the other, in a process of its own: LevelDB may end it. */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { ManualClock } from '../../helpers/manual-clock.ts'
import { examine } from './damage.ts'
import { damageOptions, readContentFile } from './examiner.ts'

for await (const line of createInterface({ input: process.stdin })) {
  const [path = '', contentFile = ''] = line.split('\t')
  const original = readContentFile(readFileSync(contentFile, 'utf8'))
  console.log(await examine(damageOptions(path, new ManualClock()), original))
}
