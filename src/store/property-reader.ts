/** Reads single properties of stored records without decoding the rest: what an SQL filter asks for. */
import { findProperty } from './find-property.ts'
import { keysOf, type StoredBatch } from './record-reader.ts'

export class PropertyReader {
  readonly #names = new Map<string, Buffer>()
  #batch: StoredBatch | undefined
  #index = 0

  /** The record that is read from now on. */
  moveTo(batch: StoredBatch, index: number): void {
    this.#batch = batch
    this.#index = index
  }

  /** A property by name; RocketMQ keeps the tag, the keys and the id as properties too. */
  readonly read = (name: string): string | undefined => {
    const batch = this.#batch
    if (batch === undefined) return undefined
    if (name === 'TAGS') return batch.tag(this.#index) || undefined
    if (name === 'KEYS') return textOfKeys(batch, this.#index)
    if (name === 'UNIQ_KEY') return batch.message(this.#index).messageId
    return findProperty(batch.bytes, batch.positionOf(this.#index), this.#nameBytes(name))
  }

  #nameBytes(name: string): Buffer {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const bytes = Buffer.from(name)
    this.#names.set(name, bytes)
    return bytes
  }
}

function textOfKeys(batch: StoredBatch, index: number): string | undefined {
  const keys = keysOf(batch.bytes, batch.positionOf(index))
  return keys.length === 0 ? undefined : keys.map(String).join(' ')
}
