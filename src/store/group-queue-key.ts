/** A group, or a broadcasting member, and a queue as the key of a map. */
export function groupQueueKey(groupUid: number, queueUid: number): string {
  return `${groupUid}@${queueUid}`
}
