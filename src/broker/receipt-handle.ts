/**
 * Receipt handles: texts that name one delivery of one message. A handle is bound to its group, the place of the message,
 * the alarm that ends its invisibility and the time of that. Alarms are numbered and no number comes again, so a handle of
 * an earlier delivery, or from before its duration was changed, is never taken for the present one.
 *
 * Six numbers to the base 36, joined by dots: group uid, queue uid, alarm id, due timestamp, queue offset, attempt.
 */
import { MQError } from '../model/errors.ts'
import type { Alarm } from '../store/fact.ts'

const RADIX = 36
/** Digits of the largest number that any of the six can be. */
const DIGITS_MAX = 10
const ZERO = 0x30
const LETTER_A = 0x61
/** Numbers in front of offset and attempt. */
const PLACE_NUMBERS = 4

/** What a handle says. */
export interface Receipt {
  readonly groupUid: number
  readonly queueUid: number
  readonly alarmId: number
  readonly dueTimestamp: number
  readonly queueOffset: number
  /** Which delivery it is; 1 is the first. */
  readonly attempt: number
}

/** What the handles of all messages of one alarm begin with. */
export function receiptPrefix({ groupUid, queueUid, id, dueTimestamp }: Alarm): string {
  const place = `${groupUid.toString(RADIX)}.${queueUid.toString(RADIX)}`
  return `${place}.${id.toString(RADIX)}.${dueTimestamp.toString(RADIX)}`
}

export function receiptHandle(prefix: string, queueOffset: number, attempt: number): string {
  return `${prefix}.${queueOffset.toString(RADIX)}.${attempt.toString(RADIX)}`
}

/** What the last handle began with: whoever acknowledges a batch hands in many that begin alike. */
let lastPlace: { readonly prefix: string; readonly numbers: readonly number[] } = { prefix: '', numbers: [] }

/** Throws `INVALID_RECEIPT_HANDLE` for anything that is no handle. */
export function parseReceiptHandle(handle: string): Receipt {
  const attemptDot = handle.lastIndexOf('.')
  const offsetDot = handle.lastIndexOf('.', attemptDot - 1)
  if (offsetDot !== lastPlace.prefix.length || !handle.startsWith(lastPlace.prefix)) {
    const prefix = handle.slice(0, Math.max(0, offsetDot))
    const numbers = prefix.split('.').map((number) => parseNumber(number, 0, number.length))
    if (numbers.length !== PLACE_NUMBERS) throw noHandle()
    lastPlace = { prefix, numbers }
  }
  const [groupUid = 0, queueUid = 0, alarmId = 0, dueTimestamp = 0] = lastPlace.numbers
  const queueOffset = parseNumber(handle, offsetDot + 1, attemptDot)
  const attempt = parseNumber(handle, attemptDot + 1, handle.length)
  return { groupUid, queueUid, alarmId, dueTimestamp, queueOffset, attempt }
}

function parseNumber(text: string, start: number, end: number): number {
  if (end <= start || end - start > DIGITS_MAX) throw noHandle()
  let number = 0
  for (let i = start; i < end; i++) number = number * RADIX + digitOf(text.charCodeAt(i))
  return number
}

function digitOf(code: number): number {
  if (code >= ZERO && code < ZERO + 10) return code - ZERO
  if (code >= LETTER_A && code < LETTER_A + RADIX - 10) return code - LETTER_A + 10
  throw noHandle()
}

function noHandle(): MQError {
  return invalidReceipt('It is no receipt handle.')
}

export function invalidReceipt(reason: string): MQError {
  return new MQError('INVALID_RECEIPT_HANDLE', `The receipt handle is not valid: ${reason}`)
}
