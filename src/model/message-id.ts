/**
 * Message ids (RocketMQ 5 `MessageIdCodec`): 34 upper-case hex characters, that is 17 bytes: version 1,
 * 6 bytes of node, 2 bytes of process, 4 bytes of seconds since 2021, 4 bytes of sequence.
 *
 * Ids of one generator ascend as bytes, which the store relies on to index a whole group of messages by one row;
 * a foreign id is stored and found as well.
 */

import type { Clock, RandomSource } from './clock.ts'
import { randomBelow } from './clock.ts'
import { invalidParameter } from './errors.ts'
import { inWords } from './in-words.ts'

/** Bytes of an id as stored: without the version byte. */
export const MESSAGE_ID_BYTES = 16
/** Bytes of an id that all ids of a generator share. */
export const MESSAGE_ID_PREFIX_BYTES = 8
const VERSION = '01'
const EPOCH_MS = Date.UTC(2021, 0, 1)
const ID_PATTERN = /^01[0-9A-F]{32}$/

/** An id in the form that costs least to make and to store; its text is built when asked for. */
export interface MessageId {
  /** Node and process: the first 8 of the 16 stored bytes. */
  readonly prefix: Uint8Array
  readonly seconds: number
  readonly sequence: number
}

/** What the ids begin with that generators of this process give. */
const prefixesGivenHere = new WeakSet<Uint8Array>()

/** Whether a generator of this process gave the id; one that was read from somewhere may be old. */
export function isGivenHere({ prefix }: MessageId): boolean {
  return prefixesGivenHere.has(prefix)
}

/** Makes the ids of one process. */
export class MessageIdGenerator {
  readonly #prefix: Buffer
  readonly #clock: Clock
  #seconds = 0
  #sequence: number

  /** The sequence begins behind `lastSequence`, which a test sets close to its end. */
  constructor(clock: Clock, random: RandomSource, lastSequence = 0) {
    this.#clock = clock
    this.#prefix = Buffer.alloc(MESSAGE_ID_PREFIX_BYTES)
    for (let i = 0; i < MESSAGE_ID_PREFIX_BYTES; i++) this.#prefix[i] = randomBelow(random, 256)
    prefixesGivenHere.add(this.#prefix)
    this.#sequence = lastSequence
  }

  /** The next id: greater than every earlier one of this generator, also when the clock runs backwards. */
  next(nowMs = this.#clock.now()): MessageId {
    const seconds = Math.floor((nowMs - EPOCH_MS) / 1000) >>> 0
    if (seconds > this.#seconds) this.#seconds = seconds
    this.#sequence = (this.#sequence + 1) >>> 0
    if (this.#sequence === 0) this.#seconds += 1
    return { prefix: this.#prefix, seconds: this.#seconds, sequence: this.#sequence }
  }
}

/** The 34 characters of an id. */
export function formatMessageId(id: MessageId): string {
  const bytes = Buffer.allocUnsafe(MESSAGE_ID_BYTES)
  writeMessageId(id, bytes, 0)
  return VERSION + bytes.toString('hex').toUpperCase()
}

/** The 34 characters of an id that is stored in `bytes` at `position`. */
export function formatStoredMessageId(bytes: Buffer, position: number): string {
  return VERSION + bytes.toString('hex', position, position + MESSAGE_ID_BYTES).toUpperCase()
}

/** Parses the 34 characters of an id; refuses anything else. */
export function parseMessageId(text: string): MessageId {
  if (!isMessageId(text))
    throw invalidParameter(`${inWords(text)} is not a message id of 34 hex characters that starts with 01.`)
  const bytes = Buffer.from(text.slice(VERSION.length), 'hex')
  return {
    prefix: bytes.subarray(0, MESSAGE_ID_PREFIX_BYTES),
    seconds: bytes.readUInt32BE(MESSAGE_ID_PREFIX_BYTES),
    sequence: bytes.readUInt32BE(MESSAGE_ID_PREFIX_BYTES + 4),
  }
}

/** Whether a text has the form of a message id. */
export function isMessageId(text: unknown): text is string {
  return typeof text === 'string' && ID_PATTERN.test(text)
}

/** Writes the 16 stored bytes of an id. */
export function writeMessageId(id: MessageId, target: Buffer, position: number): void {
  for (let i = 0; i < MESSAGE_ID_PREFIX_BYTES; i++) target[position + i] = id.prefix[i] ?? 0
  writeUInt32(target, position + MESSAGE_ID_PREFIX_BYTES, id.seconds)
  writeUInt32(target, position + MESSAGE_ID_PREFIX_BYTES + 4, id.sequence)
}

/** Plain stores are several times faster here than `Buffer#writeUInt32BE`, and this runs for every message. */
function writeUInt32(target: Buffer, position: number, value: number): void {
  target[position] = value >>> 24
  target[position + 1] = value >>> 16
  target[position + 2] = value >>> 8
  target[position + 3] = value
}
