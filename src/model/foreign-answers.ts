/** What code of the application answers where it should have known better. */

/** This should not have been a promise; when it rejects, nobody else hears of it, and that would end the process. */
export function ignoreRejection(answer: unknown): void {
  if (answer instanceof Promise) answer.catch(() => undefined)
}

/** What an iterable gives; `undefined` when it is none, or throws. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return [...(value as Iterable<unknown>)]
  } catch {
    return undefined
  }
}
