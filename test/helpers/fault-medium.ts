/**
 * A store directory in memory whose every call may fail, hang or be the last, and that loses what nobody flushed when the
 * power is cut. It has files, so the code for disks runs over it.
 */
import { MQError } from '../../src/model/errors.ts'
import type { Database, DatabaseName, Files, Medium } from '../../src/store/medium.ts'
import { WorkloadRandom } from '../crash/workload-random.ts'
import { CallGate, type DecideFate, type PauseCall } from '../store/faults/call-gate.ts'
import { MeanDirectory, MeanFiles } from '../store/faults/mean-files.ts'
import { MeanDatabase, MeanDatabaseImage } from '../store/faults/mean-level.ts'

/** What is there when the machine starts. */
interface Disk {
  readonly directory: MeanDirectory
  readonly databases: Map<DatabaseName, MeanDatabaseImage>
}

export interface FaultMediumOptions {
  /** Decides what becomes of each call; by default all work. */
  readonly decide?: DecideFate
  /** Lets calls take various numbers of turns, as these numbers say. */
  readonly jitter?: WorkloadRandom
  /** Lets calls take time. */
  readonly pause?: PauseCall
  readonly seed?: number
}

export class FaultMedium implements Medium {
  readonly files: Files
  readonly gate: CallGate
  readonly #disk: Disk
  readonly #random: WorkloadRandom
  #isClaimed = false

  constructor(options: FaultMediumOptions = {}, disk: Disk = emptyDisk()) {
    this.#disk = disk
    this.#random = new WorkloadRandom(options.seed ?? 1)
    this.gate = new CallGate(options.decide ?? (() => 'works'), options.jitter, options.pause)
    const folders = {
      names: () => [...disk.databases.keys()],
      removeAll: () => disk.databases.clear(),
    }
    this.files = new MeanFiles(disk.directory, folders, this.gate, this.#random)
  }

  openDatabase(name: DatabaseName, create: boolean): Promise<Database> {
    const { databases } = this.#disk
    return this.gate
      .pass(`${name}.open`, {
        run: () => {
          if (create && !databases.has(name)) databases.set(name, new MeanDatabaseImage())
          const image = databases.get(name)
          if (image === undefined) throw new MQError('STORE_CORRUPTED', `The database '${name}' is missing.`)
          return image
        },
      })
      .then((image) => MeanDatabase.open(name, image, this.gate))
  }

  async checkClaim(): Promise<void> {}

  claim(): Promise<void> {
    return this.gate.pass('claim', {
      run: () => {
        if (this.#isClaimed) throw new MQError('STORE_LOCKED', 'The medium is in use.')
        this.#isClaimed = true
      },
      // A process may always take over what it left itself.
      onFailure: () => undefined,
    })
  }

  release(): Promise<void> {
    return this.gate.pass('release', {
      run: () => {
        this.#isClaimed = false
      },
    })
  }

  get isClaimed(): boolean {
    return this.#isClaimed
  }

  /** The content of every file, by name; the databases are not files here. */
  contents(): ReadonlyMap<string, Buffer> {
    return this.#disk.directory.contents()
  }

  /** Puts a file in place of the one that is there, or removes it. */
  replaceFile(name: string, content: Buffer | undefined): void {
    this.#disk.directory.replace(name, content)
  }

  /** Stops everything here and answers what the next start finds. */
  crash(how: 'kill' | 'power', options: FaultMediumOptions = {}): FaultMedium {
    this.gate.stop()
    const { directory, databases } = this.#disk
    const random = this.#random
    const images = [...databases].map(
      ([name, image]) => [name, how === 'kill' ? image.afterKill() : image.afterPowerCut(random)] as const,
    )
    const disk = {
      directory: how === 'kill' ? directory.afterKill() : directory.afterPowerCut(random),
      databases: new Map(images),
    }
    return new FaultMedium({ seed: random.below(2 ** 32), ...options }, disk)
  }
}

function emptyDisk(): Disk {
  return { directory: new MeanDirectory(), databases: new Map() }
}
