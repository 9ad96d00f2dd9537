/** Opens a damaged store, reads all of it, and says in one line what came of it. */
import { MQError } from '../../../src/model/errors.ts'
import { Store } from '../../../src/store/store.ts'
import type { StoreOptions } from '../../../src/store/store-options.ts'
import { type Content, readContent } from './history.ts'

/**
 * - `same`: everything is there, and nothing was noticed
 * - `same, told`: everything is there, and the damage was reported
 * - `less, told`: a part is missing, and that was reported
 * - `less`: a part is missing, and nothing says so; see {@link Findings.add} for the one place where that may be
 * - `refused CODE`: the store does not open
 * - `unread CODE`: the store opens, and reading the damaged part is an error
 * - `aborted`: LevelDB met an assertion of its own and ended the process
 * - `WRONG ...`: what must never be
 */
export type Finding = string

/** Opens, reads, checks and closes. */
export async function examine(options: StoreOptions, original: Content): Promise<Finding> {
  let store: Store
  try {
    store = await Store.open(options)
  } catch (error) {
    return error instanceof MQError ? `refused ${error.code}` : `WRONG: opening throws ${error}`
  }
  try {
    return await compare(store, original)
  } catch (error) {
    return error instanceof MQError ? `unread ${error.code}` : `WRONG: reading throws ${error}`
  } finally {
    await store.close().catch((error) => mustBeTyped(error))
  }
}

async function compare(store: Store, original: Content): Promise<Finding> {
  const { warnings, tornBytes } = store.recovery
  const checked = await store.check()
  if (checked.ok) await mustBeReadable(store)
  const isTold = warnings.length > 0 || tornBytes > 0 || !checked.ok
  const content = await readContent(store)
  const stranger = findStranger(content, original)
  if (stranger !== undefined) return `WRONG: ${stranger}`
  const isSame = textOf(content) === textOf(original)
  if (isSame) return isTold ? 'same, told' : 'same'
  return isTold ? 'less, told' : 'less'
}

async function mustBeReadable(store: Store): Promise<void> {
  await readContent(store).catch((error) => {
    throw new Error(`what check() had nothing against: ${error}`)
  })
}

/** A body that does not belong where it is. */
function findStranger(content: Content, original: Content): string | undefined {
  for (const [place, { minOffset, bodies }] of content.queues) {
    const expected = original.queues.get(place)
    for (const [i, body] of bodies.entries()) {
      const offset = minOffset + i
      if (expected?.bodies[offset - expected.minOffset] !== body)
        return `${place} offset ${offset} holds '${body}'`
    }
  }
  return undefined
}

function textOf({ queues, groups, offsets, alarms }: Content): string {
  return JSON.stringify([[...queues].sort(), [...groups].sort(), [...offsets].sort(), [...alarms].sort()])
}

function mustBeTyped(error: unknown): void {
  if (!(error instanceof MQError)) throw error
}

/** How often each finding came, sorted by name: small enough to be kept as a table. */
export class Findings {
  readonly #counts = new Map<Finding, number>()
  /** The first findings that must never be, with where they were. */
  readonly wrong: string[] = []

  /** A journal that ends between two frames is what a power cut may leave: then there may be less without a word. */
  add(finding: Finding, where: string, mayBeLess = false): void {
    const isWrong = finding.startsWith('WRONG') || (finding === 'less' && !mayBeLess)
    const name = isWrong ? 'WRONG' : finding
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    if (isWrong && this.wrong.length < 10) this.wrong.push(`${where}: ${finding}`)
  }

  get names(): readonly Finding[] {
    return [...this.#counts.keys()].sort()
  }

  toString(): string {
    return [...this.#counts]
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  }
}
