import { ignoreRejection } from './foreign-answers.ts'

/** Where warnings go; the shape of pino, console and most others. Silent unless one is given. */
export interface Logger {
  debug(message: string, details?: unknown): void
  info(message: string, details?: unknown): void
  warn(message: string, details?: unknown): void
  error(message: string, details?: unknown): void
}

const ignore = (): void => undefined

/** The default: says nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The same logger, except that nothing it does wrong reaches the part that has something to say. */
export function guardLogger(logger: Logger): Logger {
  const guarded =
    (level: keyof Logger): Logger[keyof Logger] =>
    (...told) => {
      try {
        ignoreRejection(logger[level](...told))
      } catch {
        // There is nobody left to tell.
      }
    }
  return Object.freeze({
    debug: guarded('debug'),
    info: guarded('info'),
    warn: guarded('warn'),
    error: guarded('error'),
  })
}
