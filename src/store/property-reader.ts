/** Reads single properties of stored records without decoding the rest: what an SQL filter asks for. */
import { Rec } from './record-format.ts'
import { keysOf, type StoredBatch } from './record-reader.ts'

const LENGTH_BYTES = 2

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
    return this.#find(batch, batch.positionOf(this.#index), this.#nameBytes(name))
  }

  #find({ bytes }: StoredBatch, position: number, name: Buffer): string | undefined {
    const propertiesBytes = bytes.readUInt16BE(position + Rec.PROPERTIES_BYTES)
    let at =
      position +
      Rec.HEADER_BYTES +
      bytes.readUInt16BE(position + Rec.TAG_BYTES) +
      bytes.readUInt16BE(position + Rec.KEYS_BYTES)
    const end = at + propertiesBytes
    while (at < end) {
      const nameLength = bytes.readUInt16BE(at)
      const nameAt = at + LENGTH_BYTES
      const valueAt = nameAt + nameLength + LENGTH_BYTES
      const valueLength = bytes.readUInt16BE(valueAt - LENGTH_BYTES)
      if (nameLength === name.length && isAt(bytes, nameAt, name))
        return bytes.toString('utf8', valueAt, valueAt + valueLength)
      at = valueAt + valueLength
    }
    return undefined
  }

  #nameBytes(name: string): Buffer {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const bytes = Buffer.from(name)
    this.#names.set(name, bytes)
    return bytes
  }
}

/** Names are short: a loop is quicker than a call of the native comparison. */
function isAt(bytes: Buffer, position: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[position + i] !== name[i]) return false
  return true
}

function textOfKeys(batch: StoredBatch, index: number): string | undefined {
  const keys = keysOf(batch.bytes, batch.positionOf(index))
  return keys.length === 0 ? undefined : keys.map(String).join(' ')
}
