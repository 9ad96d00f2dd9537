/** What goes wrong from outside: machines stop, disks fail, clocks are set, verbs are refused. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { World } from '../world/world.ts'

/** A trouble that lasts for some steps. */
interface Spell {
  readonly endStep: number
  readonly end: () => void
}

const LONGEST_SPELL_STEPS = 25

/** Calls of the disk that fail together. A failed flush fails the store; the others are mended. */
const FAILING: readonly (readonly string[])[] = [
  ['journal.writeSync', 'journal.write', 'write'],
  ['journal.datasync', 'write'],
  ['journal.datasync', 'journal.write', 'write'],
  ['index.batch', 'write'],
  ['commitlog.batch'],
  ['index.barrier', 'commitlog.barrier', 'index.get', 'commitlog.iterator'],
  ['files.freeBytes', 'files.createJournalFile'],
]

const JUMPS_MS = [-86_400_000, -3_600_000, -5000, -700, 700, 5000, 3_600_000, 86_400_000]

export class Troublemaker {
  readonly #world: World
  readonly #random: WorkloadRandom
  #spells: Spell[] = []

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork()
  }

  /** Something goes wrong that lasts. */
  get isBusy(): boolean {
    return this.#spells.length > 0
  }

  /** The disk of the life that begins is a sound one. */
  begin(): void {
    this.#spells = []
    this.#calmVerbs()
  }

  /** Ends what has lasted long enough. */
  step(step: number): void {
    const over = this.#spells.filter(({ endStep }) => endStep <= step)
    this.#spells = this.#spells.filter(({ endStep }) => endStep > step)
    for (const { end } of over) end()
  }

  crash(): void {
    const { life } = this.#world
    const how = this.#random.chance(0.5) ? 'kill' : 'power'
    if (this.#random.chance(0.25))
      this.#world.interruption = {
        calls: this.#random.between(1, 30),
        how: this.#random.chance(0.5) ? 'kill' : 'power',
      }
    // Now, or somewhere in the middle of what comes.
    if (this.#random.chance(0.3)) this.#world.stop(how)
    else life.disk.stopAt(this.#random.between(1, this.#random.pick([2, 6, 20])), how)
  }

  jump(): void {
    this.#world.jump(this.#random.pick(JUMPS_MS))
  }

  failDisk(step: number): void {
    const kinds = this.#random.pick(FAILING)
    const share = this.#random.pick([0.1, 0.5, 1])
    const { faults } = this.#world.life.disk
    this.#spell(step, `disk ${kinds[0]} ${share}`, () => {
      faults.fails = () => false
    })
    faults.fails = (kind) => kinds.includes(kind) && this.#random.chance(share)
  }

  slowDisk(step: number): void {
    const { faults } = this.#world.life.disk
    faults.delayMs = this.#random.pick([3, 40, 700, 6000])
    this.#spell(step, `slow ${faults.delayMs}`, () => {
      faults.delayMs = 0
    })
  }

  fillDisk(step: number): void {
    const { faults } = this.#world.life.disk
    faults.isFull = true
    this.#spell(step, 'full', () => {
      faults.isFull = false
    })
  }

  failVerbs(step: number): void {
    const share = this.#random.pick([0.05, 0.2])
    const { verbTroubles } = this.#world
    const which = this.#random.pick(['fails', 'losesAnswer', 'answersLate'] as const)
    verbTroubles[which] = share
    this.#spell(step, `verbs ${which} ${share}`, () => {
      verbTroubles[which] = 0
    })
  }

  #calmVerbs(): void {
    Object.assign(this.#world.verbTroubles, { fails: 0, losesAnswer: 0, answersLate: 0 })
  }

  #spell(step: number, what: string, end: () => void): void {
    this.#world.tell({ type: 'fault', what })
    this.#spells.push({
      endStep: step + this.#random.between(1, LONGEST_SPELL_STEPS),
      end: () => {
        this.#world.tell({ type: 'fault', what: `end of ${what}` })
        end()
      },
    })
  }
}
