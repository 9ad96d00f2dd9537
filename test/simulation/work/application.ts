/**
 * The application behind transactions: what each of them is to do, and a database of its own, in which it stores what became of its
 * part. That survives every crash of the store, and is the truth that checkers of transactions answer from.
 */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { End } from '../transaction-events.ts'

/** What a local transaction answers; of an explicit one, which ends its application asks for. */
export type Answer = End | 'UNKNOWN' | 'nothing' | 'nonsense' | 'throws' | 'never'

/** What an application is going to do about one transaction. */
export interface Story {
  readonly number: number
  readonly producerGroup: string
  /** The life of its process. */
  readonly life: number
  /** What its part comes to; `undefined`: it never gets so far. */
  readonly wish: End | undefined
  /** How long that takes. */
  readonly workMs: number
  readonly answer: Answer
  /** Of an explicit one, one after the other or all at once. */
  readonly ends: readonly End[]
  readonly isAtOnce: boolean
  /** Whoever is asked never knows. */
  readonly isStubborn: boolean
  /** Whoever is asked takes what is under way for failed. */
  readonly isImpatient: boolean
  /** It does not look into its database before it answers. */
  readonly isCareless: boolean
}

const WORK_MS = [0, 0, 1, 30, 700, 4000, 9000, 45_000]
/** Longer than it takes until somebody is asked. */
const LONG_WORK_MS = [9000, 45_000]
const CLUMSY_ANSWERS: readonly Answer[] = ['UNKNOWN', 'UNKNOWN', 'nothing', 'nonsense', 'throws', 'never']
/** Of a clumsy application, besides what it wishes. */
const CLUMSY_ENDS = ['none', 'twice', 'both', 'both', 'other-first'] as const

export class Application {
  readonly #stories = new Map<number, Story>()
  readonly #truth = new Map<number, End>()

  add(story: Story): void {
    this.#stories.set(story.number, story)
  }

  story(number: number): Story | undefined {
    return this.#stories.get(number)
  }

  truth(number: number): End | undefined {
    return this.#truth.get(number)
  }

  /** What is stored first counts. Answers it, and whether it was this. */
  store(number: number, end: End): { readonly end: End; readonly isNew: boolean } {
    const known = this.#truth.get(number)
    if (known === undefined) this.#truth.set(number, end)
    return { end: known ?? end, isNew: known === undefined }
  }
}

export interface StoryOf {
  readonly number: number
  readonly producerGroup: string
  readonly life: number
}

/** A story in which all goes well. */
export function plainStory(of: StoryOf): Story {
  return {
    ...of,
    wish: 'COMMIT',
    workMs: 0,
    answer: 'COMMIT',
    ends: ['COMMIT'],
    isAtOnce: false,
    isStubborn: false,
    isImpatient: false,
    isCareless: false,
  }
}

export function storyOf(of: StoryOf, random: WorkloadRandom, clumsiness: number): Story {
  const end: End = random.chance(0.65) ? 'COMMIT' : 'ROLLBACK'
  const isClumsy = random.chance(clumsiness)
  const wish = isClumsy && random.chance(0.2) ? undefined : end
  const answer = isClumsy && random.chance(0.5) ? random.pick(CLUMSY_ANSWERS) : end
  const isImpatient = isClumsy && random.chance(0.3)
  return {
    ...of,
    wish,
    workMs: random.pick(isImpatient ? LONG_WORK_MS : WORK_MS),
    answer: wish === undefined && answer === end ? 'throws' : answer,
    ends: isClumsy ? endsOf(end, random) : [end],
    isAtOnce: random.chance(0.5),
    isStubborn: isClumsy && random.chance(0.15),
    isImpatient,
    isCareless: isClumsy && random.chance(0.6),
  }
}

function endsOf(end: End, random: WorkloadRandom): readonly End[] {
  const other = end === 'COMMIT' ? 'ROLLBACK' : 'COMMIT'
  switch (random.pick(CLUMSY_ENDS)) {
    case 'none':
      return []
    case 'twice':
      return [end, end]
    case 'both':
      return [end, other]
    case 'other-first':
      return [other, end]
  }
}
