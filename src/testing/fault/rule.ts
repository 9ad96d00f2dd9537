/** Which calls a fault acts on, and how often it did. */
import { z } from 'zod'
import { invalidParameter } from '../../model/errors.ts'
import { checkTopicName } from '../../model/topic.ts'
import type { VerbSubject } from '../engine-verbs.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** Which calls a fault acts on. Calls are counted from when the fault was made, those only that match topic and group. */
export interface FaultRule {
  /** Only calls about this topic. For a verb that reads or commits offsets of retries, that is the retry topic. Default: all. */
  readonly topic?: string | undefined
  /** Only calls of this group: of a send the producer group, of everything else the consumer group. Default: all. */
  readonly group?: string | undefined
  /** Only this call, counted from 1. Instead of `after`, `times` and `probability`. */
  readonly nth?: number | undefined
  /** Lets so many calls pass first. Default 0. */
  readonly after?: number | undefined
  /** Acts at most so often. Default: no limit. */
  readonly times?: number | undefined
  /** Acts on this share of the calls, from above 0 to 1, as the seed says. Default 1. */
  readonly probability?: number | undefined
}

/** A fault that was made, for as long as the test runs. */
export interface Fault {
  /** The call that made it, for messages. */
  readonly description: string
  /** How often it has acted. */
  readonly hitCount: number
  /** It acts no more. */
  remove(): void
}

/** The fields of {@link FaultRule}, for the schemas of faults that have more. */
export const ruleFields = {
  topic: z.string().optional(),
  group: z.string().optional(),
  nth: z.int().min(1).optional(),
  after: z.int().min(0).optional(),
  times: z.int().min(1).optional(),
  probability: z.number().positive().max(1).optional(),
}

/** Refuses what contradicts itself, or can never match. */
export function checkRule(what: string, { topic, nth, after, times, probability }: FaultRule): void {
  if (topic !== undefined) checkTopicName(topic)
  const others = { after, times, probability }
  const other = Object.entries(others).find(([, value]) => value !== undefined)
  if (nth !== undefined && other !== undefined)
    throw invalidParameter(`${what}: nth names one call; leave out ${other[0]}, or use after and times.`)
}

/** The part of a fault that decides and counts. */
export class RuledFault implements Fault {
  readonly description: string
  readonly #rule: FaultRule
  readonly #random: SeededRandom
  readonly #onRemoved: () => void
  #matchedCount = 0
  #chosenCount = 0
  #hitCount = 0
  #isRemoved = false

  constructor(description: string, rule: FaultRule, random: SeededRandom, onRemoved: () => void) {
    this.description = description
    this.#rule = rule
    this.#random = random
    this.#onRemoved = onRemoved
  }

  get hitCount(): number {
    return this.#hitCount
  }

  get isRemoved(): boolean {
    return this.#isRemoved
  }

  get usesChance(): boolean {
    return this.#rule.probability !== undefined
  }

  /** Counts a call, and answers whether the fault is to act on it. */
  chooses({ topic, group }: VerbSubject): boolean {
    const { nth, after = (nth ?? 1) - 1, times = nth === undefined ? Infinity : 1, probability } = this.#rule
    if (this.#isRemoved || !isAbout(this.#rule.topic, topic) || !isAbout(this.#rule.group, group))
      return false
    this.#matchedCount += 1
    if (this.#matchedCount <= after || this.#chosenCount >= times) return false
    if (probability !== undefined && !this.#random.chance(probability)) return false
    this.#chosenCount += 1
    return true
  }

  /** It acts now. */
  hit(): void {
    this.#hitCount += 1
  }

  remove(): void {
    this.#isRemoved = true
    this.#onRemoved()
  }
}

function isAbout(wanted: string | undefined, given: VerbSubject['topic']): boolean {
  return wanted === undefined || [given].flat().includes(wanted)
}
