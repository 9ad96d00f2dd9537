/** Whether a stored record passes the filter of a pull, from as little of the record as the filter needs. */
import { type MessageFilter, matchesTag } from '../model/subscription.ts'
import { PropertyReader } from '../store/property-reader.ts'
import type { StoredBatch } from '../store/record-reader.ts'

export type RecordFilter = (batch: StoredBatch, index: number) => boolean

const takeAll: RecordFilter = () => true

export function recordFilter(filter: MessageFilter): RecordFilter {
  if (filter.type === 'SQL92') {
    const reader = new PropertyReader()
    return (batch, index) => {
      reader.moveTo(batch, index)
      return filter.matches(reader.read)
    }
  }
  if (filter.tags.size === 0) return takeAll
  return (batch, index) => matchesTag(filter, batch.tagHash(index), () => batch.tag(index))
}
