/** The life of a message in words, a line for each thing that happened to it. */
import type { LedgerEntry, LedgerEntryOf, LedgerEventType } from '../ledger.ts'
import type { MessageLife } from './message-life.ts'
import { formatOffset } from './offset.ts'
import { bodyInWords, inWords } from './value-match.ts'

/** Lines of a life that are shown; those in the middle are left out. */
const SHOWN_COUNT = 24

type Words = { readonly [Type in LedgerEventType]: (entry: LedgerEntryOf<Type>, start: number) => string }

const WORDS: Words = {
  sent: ({ producerGroup }) => `sent by '${producerGroup}'`,
  stored: ({ queue, queueOffset, status }) =>
    `stored in queue ${queue.queueId} at offset ${queueOffset}, ${status}`,
  deduplicated: ({ queue, queueOffset }) =>
    `found in queue ${queue.queueId} at offset ${queueOffset}, where it was stored under its id`,
  'send-failed': ({ error }) => `the send failed with ${error.code}: ${error.message}`,
  delivered: ({ group, clientId, deliveryAttempt }) =>
    `delivered to '${group}' (${clientId}), attempt ${deliveryAttempt}`,
  acknowledged: ({ group }) => `acknowledged by '${group}'`,
  failed: ({ group, reason }) => `failed in '${group}': ${reason}`,
  retried: ({ group, reconsumeTimes, dueTimestamp }, start) =>
    `retry ${reconsumeTimes} of '${group}' scheduled for ${formatOffset(dueTimestamp - start)}`,
  'dead-lettered': ({ group, reconsumeTimes, reason }) =>
    `dead-lettered by '${group}' after ${reconsumeTimes} failures: ${reason}`,
  dropped: ({ group, clientId, reconsumeTimes, reason }) =>
    `dropped by '${group}' (${clientId}) after ${reconsumeTimes} failures: ${reason}`,
  replied: ({ group, status }) => `replied to by '${group}', ${status}`,
  recalled: () => 'recalled',
  committed: ({ producerGroup }) => `committed by '${producerGroup}'`,
  'rolled-back': ({ producerGroup }) => `rolled back by '${producerGroup}'`,
}

/** Every line begins with the virtual time since the first. */
export function timelineOf({ entries }: MessageLife): string[] {
  const start = entries[0]!.timestamp
  const lines = entries.map((entry) => ({
    at: formatOffset(entry.timestamp - start),
    words: wordsOf(entry, start),
  }))
  const width = Math.max(...lines.map(({ at }) => at.length))
  const texts = lines.map(({ at, words }) => `${at.padEnd(width)}  ${words}`)
  const leftOutCount = texts.length - SHOWN_COUNT
  if (leftOutCount <= 1) return texts
  const half = SHOWN_COUNT / 2
  return [...texts.slice(0, half), `(${leftOutCount} more)`, ...texts.slice(-half)]
}

/** Which message it is, and what it carries, on a line. */
export function nameOf({ messageId, topic, content }: MessageLife): string {
  if (content === undefined) return `${topic} (${messageId})`
  const { tag, keys, body } = content
  const tagWords = tag === undefined ? '' : `, tag ${inWords(tag)}`
  const keysWords = keys.length === 0 ? '' : `, keys ${keys.map(inWords).join(' ')}`
  return `${topic}${tagWords}${keysWords}, body ${inWords(bodyInWords(body))} (${messageId})`
}

function wordsOf<Type extends LedgerEventType>(
  entry: LedgerEntryOf<Type> & LedgerEntry,
  start: number,
): string {
  return (WORDS[entry.type] as (entry: LedgerEntry, start: number) => string)(entry, start)
}
