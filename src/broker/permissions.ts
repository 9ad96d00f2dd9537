/** What every way of receiving refuses, in the same words. */
import { MQError } from '../model/errors.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import { isReadable } from './routes.ts'

/** Throws `NO_PERMISSION` when the group may not consume. */
export function checkMayConsume({ config: { group, consumeEnable } }: GroupEntry): void {
  if (consumeEnable) return
  throw new MQError('NO_PERMISSION', `The group '${group}' may not consume: consumeEnable is false.`)
}

/** Throws `NO_PERMISSION` when the topic may not be read. */
export function checkReadable(entry: TopicEntry): void {
  if (isReadable(entry)) return
  throw new MQError('NO_PERMISSION', `The topic '${entry.config.topic}' does not permit reading.`)
}

export function brokerClosed(): MQError {
  return new MQError('CLOSED', 'The broker is closed.')
}
