/** How polls and loops of a lite pull consumer wait. */
import { checkKnown, checkSignal, checkTimeout } from './consumer-arguments.ts'

/** How one poll waits. */
export interface PollOptions {
  /** How long to wait for messages, in milliseconds; 0 answers at once. Default: `pollTimeoutMs` of the consumer. */
  readonly timeoutMs?: number | undefined
  /** Ends the wait; the poll then rejects with `ABORTED`. */
  readonly signal?: AbortSignal | undefined
}

/** How a loop over messages ends. */
export interface MessagesOptions {
  /** Ends the loop. */
  readonly signal?: AbortSignal | undefined
}

/** Checks and completes; throws `INVALID_PARAMETER`. */
export function parsePollOptions(options: PollOptions, defaultTimeoutMs: number) {
  const { timeoutMs = defaultTimeoutMs, signal } = checkKnown(options, 'timeoutMs', 'signal')
  checkTimeout(timeoutMs)
  checkSignal(signal)
  return { timeoutMs, signal }
}

/** Checks; throws `INVALID_PARAMETER`. */
export function parseMessagesOptions(options: MessagesOptions): MessagesOptions {
  checkSignal(checkKnown(options, 'signal').signal)
  return options
}
