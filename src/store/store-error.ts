/** What LevelDB rejects with, as an error of ours. */
import { MQError } from '../model/errors.ts'

/** Damage that LevelDB noticed by itself is `STORE_CORRUPTED`; everything else is kept as the cause of a `SYSTEM_ERROR`. */
export function storeErrorFrom(caught: unknown): MQError {
  if (!(caught instanceof Error) || !('code' in caught) || caught.code !== 'LEVEL_CORRUPTION')
    return MQError.from(caught)
  return new MQError(
    'STORE_CORRUPTED',
    `LevelDB found damage: ${caught.message}. Restore the directory from a backup.`,
    { cause: caught },
  )
}
