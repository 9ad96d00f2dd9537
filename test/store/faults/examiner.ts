/** Has directories examined by a child, and another one when LevelDB has ended it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { silentLogger } from '../../../src/model/logger.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from '../../../src/store/store-options.ts'
import { type BuiltChild, buildChild } from '../../crash/build-child.ts'
import { WorkloadRandom } from '../../crash/workload-random.ts'
import type { ManualClock } from '../../helpers/manual-clock.ts'
import type { Finding } from './damage.ts'
import type { Content } from './history.ts'

export function damageOptions(path: string, clock: ManualClock): StoreOptions {
  return {
    ...DEFAULT_STORE_OPTIONS,
    path,
    storage: 'disk',
    brokerName: 'damage',
    clock,
    random: new WorkloadRandom(5),
    logger: silentLogger,
  }
}

export function writeContentFile({ queues, groups, offsets, alarms }: Content): string {
  return JSON.stringify([[...queues], [...groups], [...offsets], [...alarms]])
}

export function readContentFile(text: string): Content {
  const [queues, groups, offsets, alarms] = JSON.parse(text)
  return {
    queues: new Map(queues),
    groups: new Set(groups),
    offsets: new Map(offsets),
    alarms: new Set(alarms),
  }
}

/** A child, and who waits for its answer. */
interface Examining {
  readonly process: ChildProcessWithoutNullStreams
  readonly exited: Promise<unknown>
  answer: (finding: Finding) => void
}

export class Examiner {
  readonly #built: BuiltChild
  #current: Examining
  /** Started ahead, since starting takes longer than examining. */
  #next: Examining

  constructor() {
    this.#built = buildChild('test/store/faults/examine-child.ts')
    this.#current = start(this.#built)
    this.#next = start(this.#built)
  }

  async examine(path: string, contentFile: string): Promise<Finding> {
    const current = this.#current
    const finding = await new Promise<Finding>((resolve) => {
      current.answer = resolve
      current.process.stdin.write(`${path}\t${contentFile}\n`)
    })
    if (current.process.exitCode !== null || current.process.signalCode !== null) {
      this.#current = this.#next
      this.#next = start(this.#built)
    }
    return finding
  }

  async end(): Promise<void> {
    for (const { process, exited } of [this.#current, this.#next]) {
      process.stdin.end()
      await exited
    }
    this.#built.remove()
  }
}

function start({ script }: BuiltChild): Examining {
  const child = spawn(process.execPath, [script])
  const examining: Examining = { process: child, exited: once(child, 'exit'), answer: () => undefined }
  createInterface({ input: child.stdout }).on('line', (line) => examining.answer(line))
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  child.on('close', (code, signal) => {
    examining.answer(
      signal === 'SIGABRT' ? 'aborted' : `WRONG: the process ended with ${code ?? signal}: ${errors}`,
    )
  })
  return examining
}
