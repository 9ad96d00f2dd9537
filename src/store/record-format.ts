/**
 * The record batch: messages of one queue that follow each other, packed into one value. A commit group writes one for
 * each of its queues into the journal; small ones are merged before they become a value of the commit log
 * (`record-merge.ts`). All numbers are big-endian.
 *
 *   record batch                                 record
 *   0  u32  CRC-32 of bytes 4 to the end         0  u32  bytes of this record, these included
 *   4  u8   format version (1)                   4  u16  ms from the batch's store timestamp to this record's
 *   5  u8   attributes                           6  u16  reconsume times
 *   6  u48  queue uid                            8  i32  tag hash (Java), 0 without a tag
 *   12 u48  base offset                         12  u48  born timestamp
 *   18 u48  store timestamp                     18  16 B message id
 *   24 u32  record count                        34  u16  bytes of tag
 *   28 u32  bytes of the batch                  36  u16  bytes of keys
 *   32      records, back to back               38  u16  bytes of properties
 *                                               40  u32  bytes of body
 *                                               44       tag, keys, properties, body
 *
 * Properties are pairs of u16 length and UTF-8 text, name then value. Numbers given here never change their meaning;
 * a retired attribute keeps its bit. `docs/format.md` tells the same with an example, a golden test pins the bytes.
 */

export const RECORD_BATCH_VERSION = 1

/** Bits of the attributes byte. */
export const BatchAttribute = {
  /** At least one record has keys: the key index has rows for this batch. */
  HAS_KEYS: 1,
  /** The ids are not part of the frame's run of ascending ids: each has a row of its own. */
  EXPLICIT_IDS: 2,
} as const

/** Positions within the batch header. */
export const Batch = {
  CRC: 0,
  VERSION: 4,
  ATTRIBUTES: 5,
  QUEUE_UID: 6,
  BASE_OFFSET: 12,
  STORE_TIMESTAMP: 18,
  COUNT: 24,
  BYTES: 28,
  HEADER_BYTES: 32,
} as const

/** Positions within the record header. */
export const Rec = {
  BYTES: 0,
  TIME_DELTA: 4,
  RECONSUME_TIMES: 6,
  TAG_HASH: 8,
  BORN_TIMESTAMP: 12,
  MESSAGE_ID: 18,
  TAG_BYTES: 34,
  KEYS_BYTES: 36,
  PROPERTIES_BYTES: 38,
  BODY_BYTES: 40,
  HEADER_BYTES: 44,
} as const

/** The largest time that fits between a batch's first record and its last, in milliseconds. */
export const TIME_DELTA_MAX = 65_535
/** Most reconsume times that fit; more are stored as this many. */
export const RECONSUME_TIMES_MAX = 65_535
