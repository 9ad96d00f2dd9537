/** What all tasks of `npm run sim` showed: told as it comes, and summed up. */
import { realTime } from '../../src/model/system-clock.ts'
import type { Outcome } from './jobs.ts'
import { type Task, taskInWords } from './tasks.ts'

const PROGRESS_EVERY = 100

export class Summary {
  readonly #startedMs = realTime.nowMs()
  readonly #bugCount: number
  #seedCount = 0
  #violationCount = 0
  #caughtCount = 0
  #failureCount = 0
  #virtualMs = 0
  #realMs = 0

  constructor(tasks: readonly Task[]) {
    this.#bugCount = tasks.filter(({ kind }) => kind === 'bug').length
  }

  get isGood(): boolean {
    return this.#violationCount + this.#failureCount === 0 && this.#caughtCount === this.#bugCount
  }

  add(task: Task, outcome: Outcome): void {
    if ('failure' in outcome) {
      this.#failureCount += 1
      console.log(`${taskInWords(task)} came to no end: ${outcome.failure}`)
    } else {
      this.#violationCount += outcome.violationCount
      this.#caughtCount += outcome.caughtCount
      this.#virtualMs += outcome.virtualMs
      this.#realMs += outcome.realMs
      for (const line of outcome.lines) console.log(line)
    }
    if (task.kind !== 'seed') return
    this.#seedCount += 1
    if (this.#seedCount % PROGRESS_EVERY === 0)
      console.log(`${this.#seedCount} seeds in ${this.#seconds()} s`)
  }

  inWords(): string {
    const bugs = `${this.#caughtCount} of ${this.#bugCount} planted bugs caught`
    const failures = this.#failureCount === 0 ? '' : `, ${this.#failureCount} without an end`
    const ratio =
      this.#realMs === 0 ? '' : `, virtual time / real time = ${Math.round(this.#virtualMs / this.#realMs)}`
    return `${this.#seedCount} seeds, ${this.#violationCount} violations, ${bugs}${failures}${ratio}, ${this.#seconds()} s`
  }

  #seconds(): string {
    return ((realTime.nowMs() - this.#startedMs) / 1000).toFixed(0)
  }
}
