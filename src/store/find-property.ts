/** Finds one property of a stored record without decoding the others; see `record-format.ts` for the layout. */
import { Rec } from './record-format.ts'

const LENGTH_BYTES = 2

/** The value of the property with this name; `undefined` when the record that begins at `position` has none. */
export function findProperty(bytes: Buffer, position: number, name: Buffer): string | undefined {
  const propertiesBytes = bytes.readUInt16BE(position + Rec.PROPERTIES_BYTES)
  if (propertiesBytes === 0) return undefined
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

/** Names are short: a loop is quicker than a call of the native comparison. */
function isAt(bytes: Buffer, position: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[position + i] !== name[i]) return false
  return true
}
