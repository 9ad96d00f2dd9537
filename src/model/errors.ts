/**
 * The one error class of PocketMQ and its closed table of codes.
 *
 * Codes are stable within a major version, wording is free to improve. Where RocketMQ has a response code
 * for the situation, the name and the number are RocketMQ's (`ResponseCode`). `docs/errors.md` lists the same
 * codes; a test compares the two.
 */

import type { SchemaIssue } from './schema-issue.ts'

interface CodeEntry {
  /** When this code occurs, in one sentence. */
  readonly description: string
  /** RocketMQ's response code, where one exists. */
  readonly responseCode?: number
}

/** Every code an {@link MQError} can carry. */
export const MQErrorCodes = {
  SYSTEM_ERROR: {
    description: 'An internal failure that no other code describes; the cause is kept.',
    responseCode: 1,
  },
  SYSTEM_BUSY: {
    description: 'Too many bytes wait to be written and the send could not be queued.',
    responseCode: 2,
  },
  UNSUPPORTED: { description: 'This engine does not offer the requested feature.', responseCode: 3 },
  MESSAGE_ILLEGAL: {
    description: 'A message breaks a rule: body, size, tag, keys or properties.',
    responseCode: 13,
  },
  SERVICE_NOT_AVAILABLE: {
    description: 'The store cannot answer now: its databases are being opened again, or it is closing.',
    responseCode: 14,
  },
  VERSION_NOT_SUPPORTED: {
    description: 'The directory was written by a format version this release cannot read.',
    responseCode: 15,
  },
  NO_PERMISSION: {
    description: 'The topic, one of its queues or the group does not permit this operation.',
    responseCode: 16,
  },
  TOPIC_NOT_EXIST: { description: 'The topic does not exist and may not be created here.', responseCode: 17 },
  TOPIC_EXIST_ALREADY: {
    description: 'The topic to be created exists with other settings.',
    responseCode: 18,
  },
  SUBSCRIPTION_PARSE_FAILED: { description: 'A filter expression cannot be parsed.', responseCode: 23 },
  SUBSCRIPTION_GROUP_NOT_EXIST: { description: 'The consumer group does not exist.', responseCode: 26 },
  INVALID_PARAMETER: {
    description: 'An argument or option is missing, unknown or out of range.',
    responseCode: 29,
  },
  ILLEGAL_OPERATION: {
    description:
      'What was asked is not possible any more: the message was delivered, recalled or settled otherwise.',
    responseCode: 604,
  },
  REQUEST_TIMEOUT: {
    description: 'No reply to a request came within its timeout; the request itself may still be consumed.',
    responseCode: 10006,
  },
  REQUESTER_NOT_ONLINE: {
    description: 'A reply has nobody to go to: the producer that sent the request is closed or gone.',
    responseCode: 1,
  },
  CREATE_REPLY_MESSAGE: {
    description: 'A message cannot be replied to: it is no request, or no consumer was given it.',
    responseCode: 10007,
  },
  CONSUME_MSG_TIMEOUT: {
    description:
      'A listener took longer than its timeout; the message is retried and the late answer ignored.',
    responseCode: 207,
  },
  NO_MESSAGE: { description: 'No message has this id or lies at this offset.', responseCode: 208 },
  INVALID_RECEIPT_HANDLE: {
    description:
      'A received message is not this receiver’s any more: its time was over, or its handle was replaced.',
  },
  SCHEMA_MISMATCH: {
    description: 'A value is not what the schema of its topic demands; `issues` says where and why.',
  },
  SEND_TIMEOUT: {
    description:
      'A send was not stored within its timeout; `outcome` says whether it may be stored all the same.',
    responseCode: 10002,
  },
  PULL_TIMEOUT: {
    description: 'A pull was not answered within its timeout; nothing was committed by it.',
    responseCode: 10002,
  },
  ABORTED: { description: 'The caller aborted the operation before it took effect.' },
  CLOSED: { description: 'The instance or the handle is closed or closing.' },
  BATCH_FAILED: {
    description: 'The application’s own database failed to write a batch; the cause is its error.',
  },
  DISK_FULL: {
    description: 'Free disk space is below the floor; reading goes on, sends are refused.',
    responseCode: 14,
  },
  WRITE_FAILED: {
    description: 'The journal refused this write and was cut back; nothing of it is stored.',
    responseCode: 1,
  },
  STORE_FAILED: {
    description: 'A flush failed, so what was written last may or may not survive; reopen the store.',
    responseCode: 14,
  },
  STORE_LOCKED: { description: 'The directory is open elsewhere; the message names the holder.' },
  STORE_CORRUPTED: {
    description: 'Stored bytes fail their checksum or records are missing; the message names where.',
  },
  CLOCK_RUNAWAY: {
    description: 'Under a virtual clock things kept happening without time moving, or far too often.',
  },
  NOT_SETTLED: {
    description: 'In a test, messages were still open when the deadline was over; the message lists them.',
  },
  LINT_FAILED: {
    description:
      'In a test with `strict`, code did what breaks on a RocketMQ cluster; the message says what.',
  },
  EXPLORE_FAILED: {
    description:
      'In a test, `explore` found a seed under which the test fails; the message says how to replay it.',
  },
  STORE_FOREIGN: {
    description: 'The directory holds something that is not a PocketMQ store; it was left untouched.',
  },
} as const satisfies Record<string, CodeEntry>

/** A stable error code, see {@link MQErrorCodes}. */
export type MQErrorCode = keyof typeof MQErrorCodes

/**
 * What is known about a write that was rejected: `not-attempted` means that nothing of it is stored,
 * `unknown` that it may be there after the store is reopened.
 */
export type WriteOutcome = 'not-attempted' | 'unknown'

/** Extra facts of an {@link MQError}. */
export interface MQErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown
  /** What is known about a rejected write; left out where nothing was to be written. */
  readonly outcome?: WriteOutcome
  /** What a schema found wrong with a value. */
  readonly issues?: readonly SchemaIssue[]
}

/**
 * Every error that PocketMQ throws or rejects with.
 *
 * @example
 * ```ts
 * import { MQError, PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const producer = await mq.createProducer({ group: 'orders' })
 * try {
 *   await producer.send({ topic: 'no spaces allowed', body: 'x' })
 * } catch (error) {
 *   if (error instanceof MQError && error.code === 'INVALID_PARAMETER') console.log(error.message)
 * }
 * ```
 */
export class MQError extends Error {
  override readonly name = 'MQError'
  /** The stable code. */
  readonly code: MQErrorCode
  /** RocketMQ's response code, where one exists. */
  readonly responseCode: number | undefined
  /** What is known about a rejected write. */
  readonly outcome: WriteOutcome | undefined
  /** With `SCHEMA_MISMATCH`: what the schema found wrong with the value. `cause` has it in the schema's own form. */
  readonly issues: readonly SchemaIssue[] | undefined

  constructor(code: MQErrorCode, message: string, options: MQErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const entry: CodeEntry = MQErrorCodes[code]
    this.code = code
    this.responseCode = entry.responseCode
    this.outcome = options.outcome
    this.issues = options.issues
  }

  /** Turns anything caught into an {@link MQError}; one that already is one passes through unchanged. */
  static from(caught: unknown, code: MQErrorCode = 'SYSTEM_ERROR'): MQError {
    if (caught instanceof MQError) return caught
    return new MQError(code, wordsOf(caught), { cause: caught })
  }
}

/** What was thrown, in words; anything can be thrown, also what cannot be put into words. */
export function wordsOf(caught: unknown): string {
  try {
    return caught instanceof Error ? `${caught.message}` : String(caught)
  } catch {
    return 'something was thrown that cannot be put into words'
  }
}

/** Shorthand for the commonest refusal: a wrong argument. */
export function invalidParameter(message: string): MQError {
  return new MQError('INVALID_PARAMETER', message)
}
