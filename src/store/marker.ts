/**
 * `STORE.json` says that a directory is ours, in which format, and how it was left. It is replaced as a whole and carries
 * a checksum of itself.
 *
 *   creating   nothing was acknowledged yet: whatever is there is made anew
 *   open       the store is in use, or was when its process ended: recovery replays the journal
 *   clean      everything is in the databases, flushed; `lastSeq` says how far they must be
 */
import { crc32 } from 'node:zlib'
import { MQError } from '../model/errors.ts'
import type { Files } from './medium.ts'

/** The format that this release writes; it reads this one only. */
export const FORMAT_VERSION = 1
const MARKER_NAME = 'STORE.json'
const HEX = 16

export interface Marker {
  readonly format: number
  /** 16 hex characters, made when the store is created. */
  readonly storeId: string
  readonly createdTimestamp: number
  readonly state: 'creating' | 'open' | 'clean'
  /** Of a clean store, the last sequence number. */
  readonly lastSeq: number
  /**
   * Of an open store, where its journal begins. What lies before holds nothing more, but the removal of a file may be
   * interrupted, or undone by a power cut.
   */
  readonly firstSegment: number
}

export async function writeMarker(files: Files, marker: Marker): Promise<void> {
  const content = JSON.stringify(marker)
  await files.replace(
    MARKER_NAME,
    `${JSON.stringify({ ...marker, checksum: checksumOf(content) }, null, 2)}\n`,
  )
}

/**
 * Reads the marker before anything is touched: `undefined` for an empty directory. Throws `STORE_FOREIGN` for a directory
 * that holds something else, `STORE_CORRUPTED` for a damaged marker and `VERSION_NOT_SUPPORTED` for a newer format.
 */
export async function readMarker(files: Files): Promise<Marker | undefined> {
  const names = (await files.list('.')).filter(
    (name) => !name.startsWith('LEASE') && name !== `${MARKER_NAME}.tmp`,
  )
  if (names.length === 0) return undefined
  if (!names.includes(MARKER_NAME)) throw foreign(names)
  return parseMarker(await files.read(MARKER_NAME))
}

function parseMarker(bytes: Buffer): Marker {
  let parsed: Marker & { readonly checksum?: string }
  try {
    parsed = JSON.parse(bytes.toString())
  } catch (cause) {
    throw damaged('it is not JSON', cause)
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged('it is not an object')
  const { checksum, ...marker } = parsed
  if (typeof marker.format === 'number' && marker.format > FORMAT_VERSION) {
    throw new MQError(
      'VERSION_NOT_SUPPORTED',
      `The store has format ${marker.format}; this release reads format ${FORMAT_VERSION}. Use a newer release of pocketmq.`,
    )
  }
  if (checksum !== checksumOf(JSON.stringify(marker))) throw damaged('its checksum does not fit')
  if (!/^[0-9a-f]{16}$/.test(marker.storeId)) throw damaged('its store id is none')
  return marker
}

function checksumOf(content: string): string {
  return crc32(content).toString(HEX)
}

function foreign(names: readonly string[]): MQError {
  return new MQError(
    'STORE_FOREIGN',
    `The directory holds ${names.slice(0, 3).join(', ')} but no ${MARKER_NAME}: it is not a PocketMQ store. Name an empty or a new directory.`,
  )
}

function damaged(what: string, cause?: unknown): MQError {
  return new MQError(
    'STORE_CORRUPTED',
    `${MARKER_NAME} is damaged: ${what}. Restore it from a backup; nothing was changed.`,
    { cause },
  )
}
