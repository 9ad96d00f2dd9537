/** Where a group starts to consume a queue (RocketMQ `computePullFromWhere`, semantics section 6.2). */
import type { Engine } from '../model/engine.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { isRetryTopic } from '../model/topic.ts'

/** Where a group starts that has no offset for a queue. */
export type ConsumeFromWhere = 'LAST_OFFSET' | 'FIRST_OFFSET' | 'TIMESTAMP'

/** What the group wants when it has no offset. */
export interface StartWish {
  readonly consumeFromWhere: ConsumeFromWhere
  /** Milliseconds since 1970, for `TIMESTAMP`. */
  readonly consumeTimestamp: number
  /** The broadcasting member whose offsets count; absent for a group that shares its queues. */
  readonly offsetOwner?: string | undefined
}

/** An offset to start at. */
export interface Start {
  readonly offset: number
  /** Whether the group has this offset stored. */
  readonly isStored: boolean
}

/**
 * The stored offset if there is one. Otherwise a queue that has lost nothing yet is read from its beginning, whatever
 * the wish: so does RocketMQ, and it keeps a new group from missing what was sent while it started. The wish decides
 * only when old messages are gone; a retry topic is always read from its beginning, or retries would be lost.
 *
 * For a broadcasting member the wish decides about young queues too. Only a queue that came into being under its eyes is
 * read from its beginning: everything in it was sent while the member was there.
 */
export async function findStart(
  engine: Engine,
  group: string,
  queue: MessageQueue,
  wish: StartWish,
  isNewQueue = false,
): Promise<Start> {
  const { offsetOwner } = wish
  const stored = await engine.queryConsumerOffset(group, queue, offsetOwner)
  if (stored !== undefined) return { offset: stored, isStored: true }
  const minOffset = await engine.minOffset(queue)
  const isFromBeginning = offsetOwner === undefined ? minOffset === 0 : isNewQueue
  if (isFromBeginning || isRetryTopic(queue.topic)) return { offset: minOffset, isStored: false }
  return { offset: await wishedOffset(engine, queue, wish, minOffset), isStored: false }
}

function wishedOffset(
  engine: Engine,
  queue: MessageQueue,
  wish: StartWish,
  minOffset: number,
): Promise<number> {
  switch (wish.consumeFromWhere) {
    case 'FIRST_OFFSET':
      return Promise.resolve(minOffset)
    case 'TIMESTAMP':
      return engine.searchOffset(queue, wish.consumeTimestamp)
    case 'LAST_OFFSET':
      return engine.maxOffset(queue)
  }
}
