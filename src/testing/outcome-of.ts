/** Tells whether a promise has settled, without waiting for it. */
export function outcomeOf(promise: Promise<unknown>): {
  isSettled: boolean
  readonly settling: Promise<void>
} {
  const note = (): void => {
    outcome.isSettled = true
  }
  const outcome = { isSettled: false, settling: promise.then(note, note) }
  return outcome
}
